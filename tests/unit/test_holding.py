"""Files that are asked about: held, shown in review/, answered in three ways, gone on with."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import pytest

from daemon.errors import Refused
from daemon.executors.inline import InlineExecutor
from daemon.operations import Operations
from daemon.starting import check_mappings
from daemon.states import JobEvent, JobState
from daemon.why import why
from pipeline.messages import HarmonizeResult, HarmonizeTask
from tests.support import GOOD, World
from tests.unit.asking import CONFIRMED, HEADER, HELD, PROPOSAL, QUESTION, proposal_for

ASKS = "tests.unit.asking:asks"
OTHER = HELD.replace("Lovelace", "Hopper")
ELSE = "id,surname,born\n7,Turing,05/06/1912\n"


def asking(root: Path, entry: str = ASKS) -> World:
    world = World(root)
    world.coordinator.close()
    world.coordinator = world.build(executor=InlineExecutor(entry=entry))
    return world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = asking(tmp_path)
    yield world
    world.close()


def held(world: World, name: str = "labs.csv", content: str = HELD) -> Path:
    """Drop a file that is asked about; returns its review folder."""
    world.drop(name, content)
    world.run_until_idle()
    newest = world.store.jobs(limit=1)[0]
    assert newest.state is JobState.HELD
    return world.coordinator.holding.desk.place(newest)


def mappings(world: World) -> dict[str, str]:
    folder = world.settings.mappings_dir
    return {p.name: p.read_text(encoding="utf-8") for p in sorted(folder.glob("*.yaml"))}


def reviews(world: World) -> list[str]:
    return sorted(path.name for path in (world.root / "review").iterdir())


def delivered(world: World) -> list[str]:
    return sorted(p.parent.name for p in (world.root / "outbox").glob("patients/*/patients.csv"))


def test_a_question_holds_the_file_and_shows_it_with_a_copy_of_the_original(world: World) -> None:
    folder = held(world)

    assert folder.name == "j1-labs.csv"
    assert sorted(path.name for path in folder.iterdir()) == [
        "labs.csv",
        "mapping.proposed.yaml",
        "questions.txt",
        "review.html",
    ]
    assert (folder / "labs.csv").read_text(encoding="utf-8") == HELD
    assert world.files("work/j1/input") == ["labs.csv"], "the original stays where it is safe"
    asked = (folder / "questions.txt").read_text(encoding="utf-8")
    assert QUESTION in asked
    assert "harmonizer confirm j1 --answer" in asked
    assert "harmonizer refuse j1" in asked
    assert world.job(1).reason_code == "DATE_AMBIGUOUS"
    assert world.job(1).reason_details == (QUESTION,)
    [event] = [e for e in world.store.story(1) if e.kind is JobEvent.QUESTION_ASKED]
    assert set(event.detail) >= {"layout", "labels"}
    assert world.coordinator.is_idle, "a person's answer is nothing to wait for"


def test_saving_the_proposal_as_confirmed_delivers_the_file_and_keeps_the_mapping(
    world: World,
) -> None:
    folder = held(world)
    (folder / "mapping.proposed.yaml").write_text(proposal_for(HELD, CONFIRMED), encoding="utf-8")
    world.run_until_idle()

    assert world.job(1).state is JobState.DELIVERED
    assert world.job(1).reason_code is None
    assert reviews(world) == []
    kept = mappings(world)
    assert list(kept) == ["northside.1.mapping.yaml"]
    text = kept["northside.1.mapping.yaml"]
    assert "Amy asked the ward" in text
    assert "%d/%m/%Y" in text
    assert "status: confirmed" in text
    assert "%d/%m/%Y" in (world.root / "outbox/patients/labs.j1/patients.csv").read_text()


def test_any_mapping_file_saved_in_the_folder_is_an_answer(world: World) -> None:
    folder = held(world)
    (folder / "mine.mapping.yaml").write_text(proposal_for(HELD, CONFIRMED), encoding="utf-8")
    world.run_until_idle()
    assert delivered(world) == ["labs.j1"]
    assert reviews(world) == []


def test_a_command_confirms_with_answers(world: World) -> None:
    held(world)
    assert "goes on" in world.ask("confirm", job=1, answers={"geboren": "dmy"}, by="Amy")
    assert delivered(world) == ["labs.j1"]
    assert "by: Amy" in mappings(world)["northside.1.mapping.yaml"]


def test_a_command_without_answers_is_refused_while_a_question_is_open(world: World) -> None:
    folder = held(world)
    said = world.ask("confirm", job=1)
    assert "still open" in said
    assert "dmy, mdy" in said
    assert world.job(1).state is JobState.HELD
    assert folder.is_dir()
    assert mappings(world) == {}


@pytest.mark.parametrize(
    ("answers", "sentence"),
    [
        ({"geborn": "dmy"}, "there is no question 'geborn'"),
        ({"geboren": "sometimes"}, "is no answer to"),
    ],
)
def test_an_answer_that_was_not_asked_for_is_refused(
    world: World, answers: dict[str, str], sentence: str
) -> None:
    held(world)
    assert sentence in world.ask("confirm", job=1, answers=answers)
    assert world.job(1).state is JobState.HELD


def test_a_command_takes_the_proposal_as_somebody_has_edited_it(world: World) -> None:
    folder = held(world)
    edited = proposal_for(HELD).replace(
        "name: nachname, to: family_name", "name: nachname, rescue: true"
    )
    edited = edited.replace("to: birth_date}", "to: birth_date}\nconstants: {family_name: Doe}")
    (folder / "mapping.proposed.yaml").write_text(edited, encoding="utf-8")
    world.ask("confirm", job=1, answers={"geboren": "mdy"})
    assert delivered(world) == ["labs.j1"]
    assert "family_name: Doe" in mappings(world)["northside.1.mapping.yaml"]


def test_refusing_puts_the_original_into_the_error_folder_with_the_reason(world: World) -> None:
    held(world)
    assert "set aside" in world.ask("refuse", job=1, reason="wrong export")

    [entry] = (world.root / "error").glob("*/j1__DATE_AMBIGUOUS")
    assert (entry / "labs.csv").read_text(encoding="utf-8") == HELD
    reason = (entry / "REASON.txt").read_text(encoding="utf-8")
    assert "refused the file: wrong export" in " ".join(reason.split())
    assert reviews(world) == []
    assert mappings(world) == {}


def test_a_held_job_can_be_cancelled(world: World) -> None:
    held(world)
    world.ask("cancel", job=1)
    assert world.job(1).state is JobState.CANCELLED
    assert reviews(world) == []
    assert list((world.root / "archive").glob("*/j1/labs.csv"))


@pytest.mark.parametrize("verb", ["confirm", "refuse"])
def test_only_a_held_job_can_be_answered(world: World, verb: str) -> None:
    held(world)
    world.ask("refuse", job=1)
    assert "only a held job waits for an answer" in world.ask(verb, job=1)
    assert world.ask(verb, job=9) == "there is no such job"


def test_one_yes_covers_every_held_file_of_that_layout_and_all_later_ones(world: World) -> None:
    held(world, "monday.csv")
    held(world, "tuesday.csv", OTHER)
    held(world, "else.csv", ELSE)
    assert "one more file of its layout" in world.ask("confirm", job=1, answers={"geboren": "dmy"})

    assert delivered(world) == ["monday.j1", "tuesday.j2"]
    assert world.job(3).state is JobState.HELD, "another layout is another question"
    assert reviews(world) == ["j3-else.csv"]
    world.drop("wednesday.csv", HELD.replace("Lovelace", "Curie"))
    world.run_until_idle()
    assert delivered(world) == ["monday.j1", "tuesday.j2", "wednesday.j4"]


def test_the_same_bytes_twice_are_one_delivery_and_a_duplicate_after_one_yes(world: World) -> None:
    held(world, "monday.csv")
    held(world, "again.csv")
    world.ask("confirm", job=1, answers={"geboren": "dmy"})
    assert world.job(1).state is JobState.DELIVERED
    assert world.job(2).state is JobState.DUPLICATE


def test_an_answer_makes_other_proposals_for_the_same_labels_anew(world: World) -> None:
    dots = HELD.replace("/", ".")
    held(world, "slashes.csv")
    untouched = held(world, "dots.csv", dots)
    edited = held(world, "more dots.csv", dots.replace("Lovelace", "Hopper"))
    begun = proposal_for(dots).replace("source: northside", "source: southside")
    (edited / "mapping.proposed.yaml").write_text(begun, encoding="utf-8")
    said = world.ask("confirm", job=1, answers={"geboren": "dmy"})

    assert "more file" not in said, "neither is covered by this answer"
    assert world.job(1).state is JobState.DELIVERED
    for job_id, times in ((2, 2), (3, 1)):
        assert world.job(job_id).state is JobState.HELD
        kinds = [event.kind for event in world.store.story(job_id)]
        assert kinds.count(JobEvent.QUESTION_ASKED) == times
    assert (untouched / "questions.txt").exists()
    assert (edited / "mapping.proposed.yaml").read_text(encoding="utf-8") == begun


@pytest.mark.parametrize(
    ("change", "line", "said"),
    [
        (("to: birth_date", "to: birthdate"), 18, "did you mean 'birth_date'"),
        (("answer: dmy", "answer: dym"), 13, "'dym' is no answer"),
        (("fields:", "feilds:"), 14, "did you mean 'fields'"),
        (("contract: patients", "contract: patient"), 2, "did you mean 'patients'"),
        (("fields:", "fields: ]"), 14, "not YAML"),
    ],
)
def test_a_mistake_in_a_saved_mapping_is_told_beside_it_and_the_file_stays_held(
    world: World, change: tuple[str, str], line: int, said: str
) -> None:
    folder = held(world)
    saved = folder / "mapping.proposed.yaml"
    right = proposal_for(HELD, CONFIRMED)
    saved.write_text(right.replace(*change), encoding="utf-8")
    world.run_until_idle()

    note = " ".join((folder / "ANSWER_REFUSED.txt").read_text(encoding="utf-8").split())
    assert f"mapping.proposed.yaml, line {line}:" in note
    assert said in note
    assert world.job(1).state is JobState.HELD
    assert mappings(world) == {}

    saved.write_text(right, encoding="utf-8")
    world.run_until_idle()
    assert delivered(world) == ["labs.j1"]


def test_a_refusal_goes_away_when_the_proposal_is_put_back(world: World) -> None:
    folder = held(world)
    saved = folder / "mapping.proposed.yaml"
    saved.write_text(PROPOSAL.replace("status: proposed", "status: proposd"), encoding="utf-8")
    world.run_until_idle()
    assert (folder / "ANSWER_REFUSED.txt").exists()
    saved.write_text(proposal_for(HELD), encoding="utf-8")
    world.run_until_idle()
    assert not (folder / "ANSWER_REFUSED.txt").exists()
    assert world.job(1).state is JobState.HELD


def test_two_confirmed_files_in_one_folder_are_a_mistake(world: World) -> None:
    folder = held(world)
    for name in ("mapping.proposed.yaml", "other.mapping.yaml"):
        (folder / name).write_text(proposal_for(HELD, CONFIRMED), encoding="utf-8")
    world.run_until_idle()
    assert "only one of them" in (folder / "ANSWER_REFUSED.txt").read_text(encoding="utf-8")
    assert world.job(1).state is JobState.HELD


def test_a_mapping_that_is_being_written_is_not_read(world: World) -> None:
    folder = held(world)
    saved = folder / "mapping.proposed.yaml"
    with saved.open("w", encoding="utf-8") as editor:
        editor.write(proposal_for(HELD, CONFIRMED))
        editor.flush()
        world.run_until_idle()
        assert world.job(1).state is JobState.HELD
        assert not world.coordinator.is_idle, "an answer is on its way"
    world.run_until_idle()
    assert delivered(world) == ["labs.j1"]


def test_a_link_in_a_review_folder_is_no_answer(world: World, tmp_path: Path) -> None:
    folder = held(world)
    secret = tmp_path / "elsewhere.yaml"
    secret.write_text(proposal_for(HELD, CONFIRMED), encoding="utf-8")
    (folder / "my.mapping.yaml").symlink_to(secret)
    world.run_until_idle()
    assert world.job(1).state is JobState.HELD


def test_a_removed_review_folder_comes_back(world: World) -> None:
    folder = held(world)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    shutil.rmtree(folder)
    world.run_until_idle()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_original_removed_from_work_is_brought_back_from_its_copy(world: World) -> None:
    held(world)
    (world.root / "work/j1/input/labs.csv").unlink()
    world.run_until_idle()
    assert (world.root / "work/j1/input/labs.csv").read_text(encoding="utf-8") == HELD
    world.ask("confirm", job=1, answers={"geboren": "dmy"})
    assert delivered(world) == ["labs.j1"]


def test_an_original_removed_with_its_copy_is_lost_with_an_explanation(world: World) -> None:
    folder = held(world)
    shutil.rmtree(folder)
    (world.root / "work/j1/input/labs.csv").unlink()
    world.run_until_idle()
    assert world.job(1).state is JobState.LOST
    assert world.job(1).reason_code == "TAMPERED"
    assert reviews(world) == []


def test_an_edited_copy_changes_nothing_and_is_not_thrown_away(world: World) -> None:
    folder = held(world)
    (folder / "labs.csv").write_text("my own work", encoding="utf-8")
    (folder / "notes for amy.txt").write_text("call her", encoding="utf-8")
    world.ask("confirm", job=1, answers={"geboren": "dmy"})
    assert delivered(world) == ["labs.j1"]
    assert reviews(world) == ["kept-j1-labs.csv"]
    kept = world.root / "review" / "kept-j1-labs.csv"
    assert sorted(path.name for path in kept.iterdir()) == ["labs.csv", "notes for amy.txt"]
    world.restart()
    world.run_until_idle()
    assert reviews(world) == ["kept-j1-labs.csv"]


def test_a_restart_removes_folders_nobody_waits_for_and_shows_missing_ones(world: World) -> None:
    folder = held(world)
    stale = world.root / "review" / "j7-old.csv"
    shutil.copytree(folder, stale)
    (stale / "labs.csv").unlink()
    shutil.rmtree(folder)
    world.restart(InlineExecutor(entry=ASKS))
    world.run_until_idle()
    assert reviews(world) == ["j1-labs.csv"]


def test_an_answer_survives_a_restart(world: World) -> None:
    folder = held(world)
    (folder / "mapping.proposed.yaml").write_text(proposal_for(HELD, CONFIRMED), encoding="utf-8")
    world.restart(InlineExecutor(entry=ASKS))
    world.run_until_idle()
    assert delivered(world) == ["labs.j1"]


def test_an_answer_is_stored_once_however_often_it_is_given(world: World) -> None:
    folder = held(world)
    answer = proposal_for(HELD, CONFIRMED)
    holding = world.coordinator.holding
    names = {
        holding.answers.shelf.store(
            answer.encode(), "a.yaml", {}, by="amy", at_s=at_s, layout="sha256:1", mode=0o640
        )
        for at_s in (1.0, 2.0)
    }
    assert names == {"northside.1.mapping.yaml"}
    assert folder.is_dir()


def test_a_changed_answer_is_a_new_version_and_the_older_one_is_retired(world: World) -> None:
    shelf = world.coordinator.holding.answers.shelf
    for order in ("dmy", "mdy"):
        shelf.store(
            proposal_for(HELD).encode(),
            "mapping.proposed.yaml",
            {"geboren": order},
            by="amy",
            at_s=1.0,
            layout="sha256:1",
            mode=0o640,
        )
    kept = mappings(world)
    assert list(kept) == ["northside.1.mapping.yaml", "northside.2.mapping.yaml"]
    assert "status: retired" in kept["northside.1.mapping.yaml"]
    assert "status: confirmed" in kept["northside.2.mapping.yaml"]


def test_a_mapping_for_other_labels_takes_a_name_of_its_own(world: World) -> None:
    held(world)
    held(world, "else.csv", ELSE)
    world.ask("confirm", job=1, answers={"geboren": "dmy"})
    world.ask("confirm", job=2, answers={"geboren": "dmy"})
    assert list(mappings(world)) == ["northside-2.1.mapping.yaml", "northside.1.mapping.yaml"]
    world.drop("more.csv", HELD.replace("Lovelace", "Curie"))
    world.drop("more else.csv", ELSE.replace("Turing", "Noether"))
    world.run_until_idle()
    assert len(delivered(world)) == 4


def test_a_question_that_stays_open_is_asked_again_and_never_loops(tmp_path: Path) -> None:
    world = asking(tmp_path, "tests.unit.asking:asks_always")
    folder = held(world)
    (folder / "mapping.proposed.yaml").write_text(proposal_for(HELD, CONFIRMED), encoding="utf-8")
    world.run_until_idle()
    assert world.job(1).state is JobState.HELD
    kinds = [event.kind for event in world.store.story(1)]
    assert kinds.count(JobEvent.QUESTION_ASKED) == 2
    assert (folder / "mapping.proposed.yaml").read_text(encoding="utf-8") == proposal_for(HELD)
    world.close()


def test_asking_costs_no_attempt(world: World) -> None:
    held(world)
    world.ask("confirm", job=1, answers={"geboren": "dmy"})
    assert world.job(1).attempts == 1


def test_a_file_whose_name_is_one_of_our_papers_is_shown_apart(world: World) -> None:
    folder = held(world, "north/questions.txt")
    assert (folder / "original" / "questions.txt").read_text(encoding="utf-8") == HELD
    assert QUESTION in (folder / "questions.txt").read_text(encoding="utf-8")
    world.ask("confirm", job=1, answers={"geboren": "dmy"})
    assert reviews(world) == []


def test_a_review_folder_moved_into_the_inbox_sends_the_file_again_and_no_paper(
    world: World,
) -> None:
    folder = held(world)
    shutil.move(folder, world.spool.folders.inbox / folder.name)
    world.run_until_idle()
    assert [job.source for job in world.store.jobs()] == [b"j1-labs.csv/labs.csv", b"labs.csv"]


def test_who_may_write_in_review_may_answer_there(world: World) -> None:
    (world.root / "review").chmod(0o2770)
    folder = held(world)
    assert folder.stat().st_mode & 0o070 == 0o070
    assert (folder / "mapping.proposed.yaml").stat().st_mode & 0o020
    assert not (folder / "labs.csv").stat().st_mode & 0o020


def test_a_review_folder_that_cannot_be_made_is_told_and_the_answer_still_counts(
    world: World,
) -> None:
    world.drop("labs.csv", HELD)
    (world.root / "review").rmdir()
    (world.root / "review").write_text("in the way")
    world.run_until_idle()
    assert world.job(1).state is JobState.HELD
    assert any("review folder" in trouble for trouble in world.coordinator.troubles)
    world.ask("confirm", job=1, answers={"geboren": "dmy"})
    assert delivered(world) == ["labs.j1"]


def test_files_that_need_no_answer_pass_while_others_are_held(world: World) -> None:
    held(world)
    world.coordinator.close()
    world.coordinator = world.build()
    world.drop("good.csv", GOOD)
    world.run_until_idle()
    assert world.job(2).state is JobState.DELIVERED
    assert world.job(1).state is JobState.HELD
    assert HEADER in (world.root / "review/j1-labs.csv/labs.csv").read_text(encoding="utf-8")


class Unhurried(InlineExecutor):
    """Two files at a time, each answered when the test lets it."""

    capacity = 2

    def __init__(self) -> None:
        super().__init__(entry=ASKS)
        self.waiting: list[tuple[Future[HarmonizeResult], HarmonizeResult]] = []

    def submit(self, task: HarmonizeTask, deadline_s: float) -> Future[HarmonizeResult]:
        future: Future[HarmonizeResult] = Future()
        self.waiting.append((future, super().submit(task, deadline_s).result()))
        return future

    def answer_next(self) -> None:
        future, result = self.waiting.pop(0)
        future.set_result(result)


def test_a_yes_covers_a_file_whose_question_is_asked_at_that_moment(tmp_path: Path) -> None:
    world = World(tmp_path)
    executor = Unhurried()
    world.coordinator = world.build(executor=executor)
    world.drop("monday.csv", HELD)
    world.drop("tuesday.csv", OTHER)
    world.run_until_idle()
    assert len(executor.waiting) == 2, "both have been read, neither has been answered"

    executor.answer_next()
    world.run_until_idle()
    assert world.job(1).state is JobState.HELD
    world.ask("confirm", job=1, answers={"geboren": "dmy"})
    executor.answer_next()  # the other's question, asked before the yes
    world.run_until_idle()
    kinds = [event.kind for event in world.store.story(2)]
    assert kinds[-3:] == [
        JobEvent.QUESTION_ASKED,
        JobEvent.ANSWER_CONFIRMED,
        JobEvent.ATTEMPT_STARTED,
    ]
    assert reviews(world) == []
    while executor.waiting:
        executor.answer_next()
    world.run_until_idle()
    assert [name.split(".")[0] for name in delivered(world)] == ["monday", "tuesday"]
    world.close()


def test_a_large_original_is_copied_beside_the_loop(world: World) -> None:
    large = HELD + "".join(f"{n:04d},Name,03/04/1955\n" for n in range(500_000))
    world.drop("large.csv", large)
    for _ in range(1_000):
        world.coordinator.step()
        world.clock.advance(1.0)
        if world.in_state(JobState.HELD) and world.coordinator.is_idle:
            break
        time.sleep(0.01)
    copy = world.root / "review" / "j1-large.csv" / "large.csv"
    assert copy.read_text(encoding="utf-8") == large
    world.ask("confirm", job=1, answers={"geboren": "dmy"})
    assert delivered(world) == ["large.j1"]
    assert reviews(world) == []


def test_answers_are_kept_in_the_mapping_and_not_in_the_state(world: World) -> None:
    held(world)
    said = world.ask("confirm", job=1, answers={"code:sex:Zyxwv": "male"})
    assert "code:sex:…" in said
    world.ask("confirm", job=1, answers={"geboren": "dmy"})
    assert delivered(world) == ["labs.j1"]
    with closing(sqlite3.connect(world.settings.state_path)) as database:
        dump = "\n".join(database.iterdump())
    assert "Zyxwv" not in dump
    assert "dmy" not in dump


def test_what_is_asked_about_real_values_shows_them_to_people_and_not_in_the_state(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    canary = "Zyxwvutsrq"
    world = World(tmp_path)
    rows = "".join(f"P-{n:05d};{canary};0{1 + n % 9}.02.1955;{canary}\n" for n in range(40))
    world.drop("labs.csv", f"PatNr;Nachname;Geboren;Geschlecht\n{rows}")
    world.run_until_idle()
    assert world.job(1).state is JobState.HELD, world.job(1).reason_note
    world.ask("confirm", job=1)
    world.ask("refuse", job=1)
    world.close()
    with closing(sqlite3.connect(world.settings.state_path)) as database:
        assert canary not in "\n".join(database.iterdump())
    said = capfd.readouterr()
    assert canary not in said.out + said.err
    for papers in [*tmp_path.glob("error/**/reason.json"), *tmp_path.glob("error/**/*.txt")]:
        assert canary not in papers.read_text(encoding="utf-8")


# -- what operators see ---------------------------------------------------------------------------


def test_operators_see_what_is_asked_and_where_to_answer(world: World) -> None:
    folder = held(world, "monday.csv")
    held(world, "tuesday.csv", OTHER)
    operations = Operations(world.settings)

    [tuesday, monday] = operations.review()
    assert (monday["job"], monday["questions"]) == ("j1", [QUESTION])
    assert monday["folder"] == str(folder)
    assert monday["same_layout"] == ["j2"]
    assert tuesday["job"] == "j2"
    assert [one["job"] for one in operations.review(1)] == ["j1"]
    assert operations.show(1)["questions"] == [QUESTION]
    answer = operations.why_job(1)
    assert QUESTION in answer["why"]
    assert "harmonizer confirm j1" in answer["why"]
    assert answer["where"] == str(folder)
    assert operations.status()["jobs"]["held"] == 2
    assert why(world.settings, str(folder / "monday.csv"))["job"] == "j1"
    assert why(world.settings, str(folder))["job"] == "j1"


def test_operators_see_that_a_saved_answer_was_refused(world: World) -> None:
    folder = held(world)
    assert Operations(world.settings).review()[0]["answer_refused"] is False
    (folder / "mapping.proposed.yaml").write_text("status: confirmed\n", encoding="utf-8")
    world.run_until_idle()
    assert Operations(world.settings).review()[0]["answer_refused"] is True


def test_a_job_that_is_not_held_has_nothing_to_review(world: World) -> None:
    held(world)
    world.ask("refuse", job=1)
    assert Operations(world.settings).review() == []
    with pytest.raises(Refused, match="quarantined"):
        Operations(world.settings).review(1)


def test_a_mistake_in_a_confirmed_mapping_is_told_with_its_line(world: World) -> None:
    held(world)
    world.ask("confirm", job=1, answers={"geboren": "dmy"})
    assert check_mappings(world.settings) == ["northside"]
    [kept] = world.settings.mappings_dir.glob("*.yaml")
    kept.write_text(kept.read_text().replace("to: birth_date", "to: birthdate"), encoding="utf-8")
    with pytest.raises(Refused, match=r"northside.1.mapping.yaml, line \d+: .*birth_date"):
        check_mappings(world.settings)
