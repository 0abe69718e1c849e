"""The same bytes, plan and version give the same output bytes, whoever makes them."""

from __future__ import annotations

from concurrent.futures import Future
from hashlib import sha256
from pathlib import Path

import pytest

from daemon.executors.pool import WorkerPool
from pipeline.contract.loading import BUILT_IN
from pipeline.messages import HarmonizeResult, HarmonizeTask

EHR = Path(__file__).resolve().parents[1] / "data" / "ehr"
NAMES = ("patients", "lab_results", "medications", "vitals")


def outputs(folder: Path, workers: int) -> dict[str, str]:
    """SHA-256 of every file but report.json, which holds timings."""
    pool = WorkerPool(workers)
    futures: list[Future[HarmonizeResult]] = []
    for name in (*NAMES, *NAMES):
        staging = folder / f"{name}-{len(futures)}"
        staging.mkdir(parents=True)
        task = HarmonizeTask(
            source=str(EHR / f"{name}.csv"),
            staging_dir=str(staging),
            contracts_dir=str(BUILT_IN),
            job="j1",
            now_s=1_795_262_400.0,
            changes="full",
        )
        futures.append(pool.submit(task, 120.0))
    try:
        for future in futures:
            future.result(timeout=120)
    finally:
        pool.stop()
    return {
        f"{path.parent.name}/{path.name}": sha256(path.read_bytes()).hexdigest()
        for path in folder.glob("*/*")
        if path.is_file() and path.name != "report.json"
    }


@pytest.mark.slow
def test_one_worker_and_two_make_the_same_bytes(tmp_path: Path) -> None:
    alone, together = outputs(tmp_path / "1", 1), outputs(tmp_path / "2", 2)

    assert alone == together
    assert len(alone) >= 8 * 5
    twice = [
        (alone[f"{name}-{at}/{name}.csv"], alone[f"{name}-{at + len(NAMES)}/{name}.csv"])
        for at, name in enumerate(NAMES)
    ]
    assert all(first == second for first, second in twice)
