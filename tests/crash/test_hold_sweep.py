"""Cut the power at every effect between a question and its delivery; one yes must be enough.

The second half cuts inside the verbs: before every single change they make to the disk.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from daemon.coordinator import Coordinator
from daemon.db.records import JobRecord
from daemon.executors.inline import InlineExecutor
from daemon.folders.spool import Spool
from daemon.review.mapping_shelf import MappingShelf
from daemon.review.review_desk import ReviewDesk
from daemon.states import JobEvent, JobState
from pipeline.mapping.files import load_mappings
from tests.crash.test_crash_sweep import SPOOL_EFFECTS, STORE_EFFECTS, PowerCut, Tripwire, Wired
from tests.crash.test_spool_sweep import Machine
from tests.support import World
from tests.unit.asking import CONFIRMED, HELD, proposal_for
from tests.unit.test_spool import claimed, spool_in

ASKS = "tests.unit.asking:asks"
DESK_EFFECTS = frozenset({"publish", "refuse", "remove", "restore_input", "withdraw"})
SHELF_EFFECTS = frozenset({"store"})
ANSWER = {"geboren": "dmy"}

Person = Callable[[World], None]
"""What somebody does between two turns of the daemon; may be called any number of times."""


# Each day is long and like the others: every third effect, or all of them in `make sweep`.
STRIDE = 1 if os.environ.get("HARMONIZER_SWEEP") == "all" else 3


def folder_of(world: World, job: JobRecord) -> Path:
    return world.coordinator.holding.desk.place(job)


def saves_the_answer(world: World) -> None:
    for job in world.in_state(JobState.HELD):
        saved = folder_of(world, job) / "mapping.proposed.yaml"
        if saved.is_file():
            saved.write_text(proposal_for(HELD, CONFIRMED), encoding="utf-8")


def says_yes(world: World) -> None:
    """Once: a command that is kept need not be repeated after a crash."""
    held = world.in_state(JobState.HELD)
    if held and world.store.command(1) is None:
        world.store.ask("confirm", {"job": held[0].id, "answers": ANSWER, "by": "amy"}, "amy")


def says_no(world: World) -> None:
    held = world.in_state(JobState.HELD)
    if held and world.store.command(1) is None:
        world.store.ask("refuse", {"job": held[0].id}, "amy")


def in_turn(*hands: Person) -> Callable[[], Person]:
    """Each acts once there is a review folder, one after the other; the last one goes on."""

    def make() -> Person:
        left = list(hands)

        def act(world: World) -> None:
            if any((world.root / "review").glob("j*")):
                (left.pop(0) if len(left) > 1 else left[0])(world)

        return act

    return make


def removes_the_folder(world: World) -> None:
    for folder in (world.root / "review").glob("j*"):
        shutil.rmtree(folder)


def removes_the_original(world: World) -> None:
    for job in world.in_state(JobState.HELD):
        world.spool.input_path(job).unlink(missing_ok=True)


def wire_up(crank: Coordinator, wire: Tripwire) -> None:
    holding: Any = crank.holding
    holding.desk = holding.answers.desk = Wired(holding.desk, DESK_EFFECTS, wire)
    holding.answers.shelf = Wired(holding.answers.shelf, SHELF_EFFECTS, wire)


def one_day(world: World, person: Person, wire: Tripwire | None = None) -> None:
    """Turn until nothing more happens, with somebody at work beside the daemon."""
    executor = InlineExecutor(entry=ASKS)
    if wire is None:
        crank = world.coordinator = world.build(executor=executor)
    else:
        crank = world.build(
            spool=Wired(world.spool, SPOOL_EFFECTS, wire),
            store=Wired(world.store, STORE_EFFECTS, wire),
            executor=executor,
        )
        wire_up(crank, wire)
    try:
        crank.recover()
        for _ in range(10):
            crank.look_soon()
            crank.step()
            world.clock.advance(10.0)
            person(world)
    finally:
        crank.close()


def sweep(
    tmp_path: Path,
    files: dict[str, str],
    make_person: Callable[[], Person],
    check: Callable[[World], None],
) -> int:
    """The same day with the power cut at one effect after the other until a day passes whole."""
    for cut_at in itertools.count(1, STRIDE):
        world = World(tmp_path / f"cut-{cut_at}")
        for name, content in files.items():
            world.drop(name, content)
        person = make_person()
        crashed = False
        for cut in (cut_at, 1 + cut_at % 7) if cut_at % 2 else (cut_at,):
            try:
                one_day(world, person, Tripwire(cut))
            except PowerCut:
                crashed = True
            world.store.close()
            world = World(world.root)
            if not crashed:
                break
        one_day(world, person)
        assert world.live() == [], f"cut at effect {cut_at}: {world.coordinator.troubles}"
        assert list((world.root / "review").iterdir()) == [], f"cut at effect {cut_at}"
        assert [p for p in (world.root / "work").iterdir() if p.name.startswith("j")] == []
        assert world.store.pending_commands() == []
        assert world.store.check() == []
        check(world)
        world.close()
        if not crashed:
            return cut_at
    raise AssertionError("unreachable")


def one_delivery_each(*stems: str) -> Callable[[World], None]:
    def check(world: World) -> None:
        delivered = sorted(p.parent.name for p in (world.root / "outbox").glob("*/*/patients.csv"))
        assert sorted(name.partition(".")[0] for name in delivered) == sorted(stems)
        originals = list((world.root / "archive").glob("*/*/*.csv"))
        assert len(originals) == len(stems)
        kept = [p.name for p in world.settings.mappings_dir.glob("*.mapping.yaml")]
        assert kept == ["northside.1.mapping.yaml"], "one yes is one version"
        assert len(load_mappings(world.settings.mappings_dir)) == 1
        hidden = [p for p in world.settings.mappings_dir.iterdir() if p.name.startswith(".")]
        assert hidden == []

    return check


@pytest.mark.parametrize("person", [saves_the_answer, says_yes])
def test_one_yes_delivers_once_wherever_the_power_fails(tmp_path: Path, person: Person) -> None:
    cuts = sweep(tmp_path, {"labs.csv": HELD}, lambda: person, one_delivery_each("labs"))
    assert cuts > 25, "the sweep should have met every effect, before and after"


@pytest.mark.slow
def test_one_yes_covers_two_files_wherever_the_power_fails(tmp_path: Path) -> None:
    files = {"labs.csv": HELD, "more.csv": HELD.replace("Lovelace", "Hopper")}

    def asks_once_for_both(world: World) -> None:
        if len(world.in_state(JobState.HELD)) == 2:
            says_yes(world)

    sweep(tmp_path, files, lambda: asks_once_for_both, one_delivery_each("labs", "more"))


def test_a_no_is_explained_once_wherever_the_power_fails(tmp_path: Path) -> None:
    def check(world: World) -> None:
        [entry] = (world.root / "error").glob("*/*__DATE_AMBIGUOUS")
        assert (entry / "labs.csv").read_text(encoding="utf-8") == HELD
        assert world.files("outbox") == []
        assert not world.settings.mappings_dir.exists()

    assert sweep(tmp_path, {"labs.csv": HELD}, lambda: says_no, check) > 20


@pytest.mark.slow
@pytest.mark.parametrize("vandal", [removes_the_folder, removes_the_original])
def test_hands_in_our_folders_change_nothing_wherever_the_power_fails(
    tmp_path: Path, vandal: Person
) -> None:
    sweep(
        tmp_path,
        {"labs.csv": HELD},
        in_turn(vandal, saves_the_answer),
        one_delivery_each("labs"),
    )


def test_a_crash_between_storing_the_mapping_and_queueing_stores_it_no_second_time(
    tmp_path: Path,
) -> None:
    world = World(tmp_path)
    world.coordinator = world.build(executor=InlineExecutor(entry=ASKS))
    world.drop("labs.csv", HELD)
    world.run_until_idle()
    saves_the_answer(world)
    doomed = world.build(executor=InlineExecutor(entry=ASKS))
    wire = Tripwire(2)  # after the first effect: the mapping is stored, nothing has moved
    answers: Any = doomed.holding.answers
    answers.shelf = Wired(answers.shelf, SHELF_EFFECTS, wire)
    with pytest.raises(PowerCut):
        world.run_until_idle(doomed)
    assert world.job(1).state is JobState.HELD
    assert (world.settings.mappings_dir / "northside.1.mapping.yaml").exists()

    world.restart(InlineExecutor(entry=ASKS))
    world.run_until_idle()
    one_delivery_each("labs")(world)
    kinds = [event.kind for event in world.store.story(1)]
    assert kinds.count(JobEvent.ANSWER_CONFIRMED) == 1
    world.close()


# -- inside the verbs -----------------------------------------------------------------------------


@pytest.fixture(params=["one filesystem", "two filesystems"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], Spool]]:
    """Makes new folders at every call; review/ is on a filesystem of its own or not."""
    other = Path("/dev/shm")
    two = request.param == "two filesystems"
    if two and (not other.is_dir() or other.stat().st_dev == tmp_path.stat().st_dev):
        pytest.skip("no second filesystem here: /dev/shm is missing or the same one")
    with tempfile.TemporaryDirectory(dir=other if two else None) as away:

        def make() -> Spool:
            root, there = Path(tempfile.mkdtemp(dir=tmp_path)), Path(tempfile.mkdtemp(dir=away))
            return spool_in(root, **({"review": there / "review"} if two else {}))

        yield make


def asked(spool: Spool) -> JobRecord:
    """A held job whose attempt has left its question."""
    job = claimed(spool, b"labs.csv", HELD.encode(), state=JobState.HELD)
    staging = spool.prepare_staging(job.id, job.attempts)
    (staging / "questions.txt").write_text("1. day or month?\n")
    (staging / "mapping.proposed.yaml").write_text(proposal_for(HELD))
    (staging / "review.html").write_text("<p></p>\n")
    return job


PAPERS = ["labs.csv", "mapping.proposed.yaml", "questions.txt", "review.html"]


def test_a_review_folder_appears_whole(fresh: Callable[[], Spool]) -> None:
    for cuts in itertools.count():
        spool = fresh()
        job, desk, machine = asked(spool), ReviewDesk(spool), Machine(cuts)
        machine.run(lambda: desk.publish(job, "HOW\n"))  # noqa: B023 - called at once
        for folder in spool.folders.review.glob("j*"):
            assert sorted(path.name for path in folder.iterdir()) == PAPERS, f"cut {cuts}"
        if not machine.is_off:
            break
        desk.publish(job, "HOW\n")
        assert sorted(path.name for path in desk.place(job).iterdir()) == PAPERS
        assert [path.name for path in spool.folders.review.iterdir()] == ["j1-labs.csv"]
        assert spool.input_path(job).read_text() == HELD
    assert cuts >= 12


def test_a_review_folder_goes_at_once(fresh: Callable[[], Spool]) -> None:
    for cuts in itertools.count():
        spool = fresh()
        job, desk, machine = asked(spool), ReviewDesk(spool), Machine(cuts)
        desk.publish(job, "HOW\n")
        (desk.place(job) / "notes.txt").write_text("mine")
        machine.run(lambda: desk.withdraw(job))  # noqa: B023 - called at once
        for folder in spool.folders.review.glob("j*"):
            assert len(list(folder.iterdir())) == 5, f"cut {cuts}"
        for name in desk.shown().get(job.id, ()):
            desk.remove(name, job)
        left = [str(p.relative_to(spool.folders.review)) for p in spool.folders.review.rglob("*")]
        assert sorted(left) == ["kept-j1-labs.csv", "kept-j1-labs.csv/notes.txt"], f"cut {cuts}"
        if not machine.is_off:
            break
    assert cuts >= 6


@pytest.mark.slow
def test_a_mapping_is_stored_whole_and_always_one_counts(tmp_path: Path) -> None:
    contracts = str(World(tmp_path / "world").settings.contracts_dir)

    def store(shelf: MappingShelf, order: str) -> str:
        return shelf.store(
            proposal_for(HELD).encode(),
            "mapping.proposed.yaml",
            {"geboren": order},
            by="amy",
            at_s=1.0,
            layout="sha256:1",
            mode=0o640,
        )

    for cuts in itertools.count():
        folder = tmp_path / f"cut-{cuts}"
        shelf, machine = MappingShelf(folder, contracts), Machine(cuts)
        assert store(shelf, "dmy") == "northside.1.mapping.yaml"
        machine.run(lambda: store(shelf, "mdy"))  # noqa: B023 - called at once
        [counts] = load_mappings(folder)
        assert counts.status == "confirmed"
        assert store(shelf, "mdy") == "northside.2.mapping.yaml", f"cut {cuts}"
        assert sorted(p.name for p in folder.iterdir()) == [
            "northside.1.mapping.yaml",
            "northside.2.mapping.yaml",
        ]
        assert "status: retired" in (folder / "northside.1.mapping.yaml").read_text()
        if not machine.is_off:
            break
    assert cuts >= 6
