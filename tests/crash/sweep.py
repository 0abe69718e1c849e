"""The exhaustive sweep, by hand: `python -m tests.crash.sweep` (or `make sweep`).

Repeats one day with the fault at call 1, 2, 3 ... until a day passes without it, and judges each.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.crash.sites import DAYS, INLINE, Site
from tests.crash.tracing import CHANGES, LOOKS, OPENS, Account, Zygote

HERE = Path(__file__).resolve().parents[2]
ERRORS = ("EIO", "ENOSPC", "EROFS", "EMFILE", "EACCES", "ESTALE", "EINTR", "EDQUOT")
_HEALED_S = 120.0
_LOG_BYTES_A_SECOND = 10_000


def interesting(site: Site, zygote: Zygote, **plan: object) -> list[int]:
    """Numbers of the calls at which something new happens in an undisturbed day.

    Of a row of calls of one kind on one file (the pages of a transaction) the first two and the
    last. A disturbed day may take other turns than this one: numbers are only where to begin.
    """
    site.renew()
    ops = site.work(zygote, keep=True, **plan).ops
    wanted = []
    for at, op in enumerate(ops, start=1):
        before, after = ops[max(0, at - 3) : at - 1], ops[at : at + 1]
        if before != [op, op] or after != [op]:
            wanted.append(at)
    return wanted


def killed_at(
    site: Site, zygote: Zygote, at: int, *, kind: str, again: int = 0, **plan: object
) -> tuple[bool, list[str]]:
    """Kill at call `at`, and once more at call `again` of the recovery; then a clean day.

    Whether the kill came, and what is wrong at the end.
    """
    site.renew()
    first = site.work(zygote, kind=kind, at=at, **plan)
    if not first.faults:
        return False, _ended(first) + site.judge()
    if again:
        site.work(zygote, kind=kind, at=again, **plan)
    last = site.work(zygote)
    return True, [f"[{first.struck}] {what}" for what in _ended(last) + site.judge()]


def failed_at(
    site: Site, zygote: Zygote, at: int, *, error: str, for_s: float = 0.0, **plan: object
) -> tuple[bool, list[str]]:
    """Let call `at` fail, once or from there on for some seconds. No restart must be needed."""
    site.renew()
    first = site.work(
        zygote, kind="error", at=at, error=error, for_s=for_s, limit_s=for_s + _HEALED_S, **plan
    )
    if not first.faults:
        return False, _ended(first) + site.judge()
    wrong = []
    said = site.output.read_text(errors="replace") if site.output.exists() else ""
    if "mistake" in said or "Traceback" in said:
        wrong.append(f"a mistake was logged: {said[-600:]}")
    if len(said) > _LOG_BYTES_A_SECOND * (first.seconds + 1):
        wrong.append(f"{len(said)} bytes of log in {first.seconds:.1f} s")
    if for_s and first.cpu_s > 0.5 * first.seconds + 3:
        wrong.append(f"{first.cpu_s:.1f} CPU-s in {first.seconds:.1f} s")
    if first.timed_out:
        wrong.append(f"did not heal: {said[-600:]}")
    if not first.timed_out and first.exit_code not in (0, 69, 75, 78):
        wrong.append(f"ended with {first.exit_code} {first.signal}: {said[-600:]}")
    if first.exit_code != 0 or for_s:  # the day may have ended before the trouble did
        wrong += _ended(site.work(zygote))
    return True, [
        f"[{first.struck} x{first.faults}, exit {first.exit_code}] {what}"
        for what in wrong + site.judge()
    ]


def _ended(account: Account) -> list[str]:
    if account.timed_out:
        return [f"an undisturbed day did not end in {account.seconds:.0f} s"]
    if account.exit_code != 0:
        return [f"an undisturbed day ended with {account.exit_code} (signal {account.signal})"]
    return []


def main() -> int:
    """Sweep as told; print every violation and a tally."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.sweep")
    parser.add_argument("--day", choices=[*DAYS, "all"], default="all")
    parser.add_argument("--kind", default="kill-before")
    parser.add_argument("--workers", choices=["pool", "inline"], default="inline")
    parser.add_argument("--error", default="cycle", help="a name, or cycle: each in turn")
    parser.add_argument("--looks", action="store_true", help="calls that only read fail, too")
    parser.add_argument("--for-s", type=float, default=0.0)
    parser.add_argument("--calls", nargs="*")
    parser.add_argument("--whose", default="any")
    parser.add_argument("--victim", default="all")
    parser.add_argument("--double", action="store_true", help="kill again during the recovery")
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--last", type=int, default=1_000_000)
    parser.add_argument("--step", type=int, default=1)
    parser.add_argument("--in", dest="base", default="/dev/shm")
    asked = parser.parse_args()
    violations = tried = 0
    for day in DAYS if asked.day == "all" else [asked.day]:
        for number, wrong in _day(day, asked):
            tried += 1
            violations += bool(wrong)
            for what in wrong:
                print(f"{day} #{number}: {what}", flush=True)
        print(f"{day}: {tried} points so far, {violations} of them with violations", flush=True)
    return 1 if violations else 0


def _day(day: str, asked: argparse.Namespace) -> Iterator[tuple[int, list[str]]]:
    extra: dict[str, object] = {"calls": asked.calls} if asked.calls else {}
    if asked.looks:
        extra = {"calls": [*CHANGES, *OPENS, *LOOKS], "every_open": True}
    with tempfile.TemporaryDirectory(dir=asked.base) as base:
        site = Site(Path(base) / "site", DAYS[day], **(INLINE if asked.workers == "inline" else {}))
        zygote = Zygote(HERE)
        points = interesting(site, zygote, whose=asked.whose, **extra)
        for at in [p for p in points if asked.first <= p <= asked.last][:: asked.step]:
            if asked.kind == "error":
                struck, wrong = failed_at(
                    site,
                    zygote,
                    at,
                    error=ERRORS[at % len(ERRORS)] if asked.error == "cycle" else asked.error,
                    for_s=asked.for_s,
                    whose=asked.whose,
                    **extra,
                )
            else:
                struck, wrong = killed_at(
                    site,
                    zygote,
                    at,
                    kind=asked.kind,
                    again=1 + at * 7 % 160 if asked.double else 0,
                    whose=asked.whose,
                    victim=asked.victim,
                    **extra,
                )
            yield at, wrong
            if not struck:
                break
        zygote.close()


if __name__ == "__main__":
    sys.exit(main())
