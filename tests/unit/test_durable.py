"""When what an attempt wrote is durable: large outputs at once, small ones with those of others."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest

from daemon.attempts import _made_durable
from pipeline.contract.loading import BUILT_IN
from pipeline.errors import FileCode, TransientError
from pipeline.harmonize import harmonize_file
from pipeline.messages import HarmonizeResult, HarmonizeTask, RowCounts
from pipeline.outputs.durable import durable_or_left, make_durable

HEAD = "patient_id,last_name,first_name,date_of_birth,gender\n"
ROW = "PT-{:06d},Lovelace,Ada,1955-12-10,F\n"
UNDECIDED = HEAD + ROW.format(1).replace("1955-12-10", "10/12/1955")


def task(tmp_path: Path, content: str, *, leaves_sync: bool) -> HarmonizeTask:
    source, staging = tmp_path / "in.csv", tmp_path / "attempt-1"
    source.write_text(content)
    staging.mkdir()
    return HarmonizeTask(
        source=str(source),
        staging_dir=str(staging),
        contracts_dir=str(BUILT_IN),
        job="j1",
        now_s=1_800_000_000.0,
        source_path="in.csv",
        keys_dir=str(tmp_path / "attempt-1.keys"),
        contract="patients",
        leaves_sync=leaves_sync,
    )


def test_small_outputs_are_left_to_be_synced_with_their_keys(tmp_path: Path) -> None:
    result = harmonize_file(task(tmp_path, HEAD + ROW.format(1), leaves_sync=True))
    assert result.unsynced == (str(tmp_path / "attempt-1"), str(tmp_path / "attempt-1.keys"))
    assert all(Path(folder).is_dir() for folder in result.unsynced)
    assert HarmonizeResult.from_json(result.to_json()) == result


def test_who_leaves_nothing_gets_everything_synced(tmp_path: Path) -> None:
    result = harmonize_file(task(tmp_path, HEAD + ROW.format(1), leaves_sync=False))
    assert result.counts.written == 1
    assert result.unsynced == ()


def test_large_outputs_are_synced_where_they_were_written(tmp_path: Path) -> None:
    rows = "".join(map(ROW.format, range(30_000)))
    result = harmonize_file(task(tmp_path, HEAD + rows, leaves_sync=True))
    assert sum(output.size_bytes for output in result.outputs) > 1 << 20
    assert result.unsynced == ()


def test_the_papers_of_a_held_file_are_left_as_well(tmp_path: Path) -> None:
    result = harmonize_file(task(tmp_path, UNDECIDED, leaves_sync=True))
    assert result.questions
    assert result.unsynced == (str(tmp_path / "attempt-1"),)


def test_a_folder_that_is_gone_cannot_be_made_durable(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        make_durable([tmp_path / "gone"])
    asked = task(tmp_path, "", leaves_sync=False)
    with pytest.raises(FileNotFoundError):
        durable_or_left(asked, [tmp_path / "gone"], 0)


def test_what_cannot_be_synced_has_failed_and_nothing_else_has(tmp_path: Path) -> None:
    for name in ("good", "gone"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "patients.csv").write_text("x")
    done = {1: answered(tmp_path / "good"), 2: answered(tmp_path / "gone"), 3: answered()}
    for path in ((tmp_path / "gone/patients.csv"), (tmp_path / "gone")):
        path.unlink() if path.is_file() else path.rmdir()

    outcome = _made_durable(done)

    assert outcome[1] is done[1]
    assert outcome[3] is done[3]
    error = outcome[2].exception()
    assert isinstance(error, TransientError)
    assert error.code is FileCode.STORAGE


def answered(*unsynced: Path) -> Future[HarmonizeResult]:
    future: Future[HarmonizeResult] = Future()
    future.set_result(
        HarmonizeResult(
            contract="patients",
            contract_version="1",
            counts=RowCounts(),
            outputs=(),
            unsynced=tuple(map(str, unsynced)),
        )
    )
    return future
