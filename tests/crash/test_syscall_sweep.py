"""SIGKILL and errors at single system calls of the real program, a seeded sample of them.

All of them: `make sweep` (hours), or HARMONIZER_SWEEP=all with these tests.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.crash.sites import DAYS, INLINE, Site
from tests.crash.sweep import ERRORS, HERE, failed_at, interesting, killed_at
from tests.crash.tracing import CHANGES, LOOKS, OPENS, Zygote, why_not

pytestmark = [pytest.mark.slow, pytest.mark.timeout(0 if "HARMONIZER_SWEEP" in os.environ else 600)]

SEED = 20_261_121
EVERY_CALL: dict[str, Any] = {"calls": [*CHANGES, *OPENS, *LOOKS], "every_open": True}


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    missing = why_not()
    if missing:
        pytest.skip(missing)
    made = Zygote(HERE)
    yield made
    made.close()


def sample(points: list[int], count: int, salt: str) -> list[int]:
    """The points to try: all when asked for, else a few, the same ones every time."""
    if os.environ.get("HARMONIZER_SWEEP") == "all":
        return points
    return sorted(random.Random(f"{SEED}-{salt}").sample(points, min(count, len(points))))


@pytest.mark.parametrize(
    ("day", "kind", "count"),
    [
        ("mixed", "kill-before", 2),
        ("mixed", "kill-after", 2),
        ("returned", "kill-before", 2),
        ("held", "kill-before", 2),
        ("archive", "kill-before", 2),
    ],
)
def test_killed_at_any_call_and_again_during_recovery_a_day_ends_whole(
    tmp_path: Path, zygote: Zygote, day: str, kind: str, count: int
) -> None:
    site = Site(tmp_path / "site", DAYS[day], **INLINE)
    wrong = {}
    for at in sample(interesting(site, zygote), count, day + kind):
        _, found = killed_at(site, zygote, at, kind=kind, again=1 + at * 7 % 160)
        wrong[at] = found
    assert {at: found for at, found in wrong.items() if found} == {}


def test_a_worker_killed_at_any_call_is_replaced_and_its_file_is_tried_again(
    tmp_path: Path, zygote: Zygote
) -> None:
    site = Site(tmp_path / "site", DAYS["one"])
    points = interesting(site, zygote, whose="worker")
    for at in sample(points, 2, "worker"):
        site.renew()
        day = site.work(zygote, kind="kill-before", at=at, whose="worker", victim="self")
        assert day.faults == 1
        assert day.exit_code == 0, day.struck
        assert site.judge() == [], day.struck


@pytest.mark.parametrize(("calls", "count"), [("changes", 2), ("looks", 2)])
def test_any_call_may_fail_once_and_the_same_process_goes_on(
    tmp_path: Path, zygote: Zygote, calls: str, count: int
) -> None:
    site = Site(tmp_path / "site", DAYS["mixed"], **INLINE)
    extra: dict[str, Any] = EVERY_CALL if calls == "looks" else {}
    for at in sample(interesting(site, zygote, **extra), count, calls):
        _, wrong = failed_at(site, zygote, at, error=ERRORS[at % len(ERRORS)], **extra)
        assert wrong == [], at


def test_calls_that_fail_from_there_on_are_sat_out_and_heal_by_themselves(
    tmp_path: Path, zygote: Zygote
) -> None:
    site = Site(tmp_path / "site", DAYS["one"], **INLINE)
    for at in sample(interesting(site, zygote), 2, "sticky"):
        _, wrong = failed_at(site, zygote, at, error=ERRORS[at % len(ERRORS)], for_s=2.0)
        assert wrong == [], at
