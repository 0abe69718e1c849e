"""`make bench`: measure everything and write benchmarks/results/. See benchmarks/README.md.

python -m benchmarks                      the whole, within ten minutes on two quiet cores
python -m benchmarks --only growth --rows 20000000
python -m benchmarks --smoke              tiny sizes: does it work, do the outputs agree?
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import engines_run, report, service

_SMOKE_ROWS = 2_000


def main() -> None:
    """Measure what was asked for."""
    asked = _arguments()
    folder = Path(asked.folder or tempfile.mkdtemp(prefix="bench-"))
    results: dict[str, Any] = {"machine": report.machine()}
    for name, measure in _steps(folder, asked).items():
        if asked.only and name not in asked.only:
            continue
        started = time.perf_counter()
        results[name] = measure()
        print(f"{name}: {time.perf_counter() - started:.0f} s", json.dumps(results[name]))
        report.write(results, Path(asked.results))
    service.remove_used(folder)


def _steps(folder: Path, asked: argparse.Namespace) -> dict[str, Callable[[], Any]]:
    if asked.smoke:
        return {
            "throughput": lambda: engines_run.compare(
                folder, _SMOKE_ROWS, rounds=1, naive_rows=_SMOKE_ROWS
            ),
            "growth": lambda: engines_run.growth(folder, [100, _SMOKE_ROWS]),
            "two_cores": lambda: engines_run.two_cores(folder, _SMOKE_ROWS, 1),
            "small_files": lambda: [service.small_files(folder, 10)],
            "scan": lambda: service.scan(folder, 100),
            "status": lambda: service.status_with_history(folder, 1_000),
        }
    rows = asked.rows
    return {
        "throughput": lambda: engines_run.compare(
            folder, rows, rounds=asked.rounds, naive_rows=rows
        ),
        "growth": lambda: engines_run.growth(folder, _sizes(asked.largest)),
        "two_cores": lambda: engines_run.two_cores(folder, rows, asked.rounds),
        "small_files": lambda: [
            {"daemon": "harmonizer", **service.small_files(folder, asked.files)},
            {"daemon": "naive", **service.naive_small_files(folder, max(20, asked.files // 20))},
        ],
        "latency": lambda: service.latency(folder),
        "overhead": lambda: service.overhead(
            folder, 700_000, engines_run.alone(folder, 700_000).wall_s
        ),
        "idle": lambda: service.idle(folder, archived=10_000, held=1_000, seconds=asked.idle_s),
        "scan": lambda: service.scan(folder, 50_000),
        "status": lambda: service.status_with_history(folder, 1_000_000),
        "command": lambda: {
            one: service.command(one.split()) for one in ("--version", "--help", "status --help")
        },
        "history_growth": lambda: [
            {"jobs": jobs, **service.small_files(folder, 200, history=jobs)}
            for jobs in (10, 1_000, 100_000)
        ],
    }


def _sizes(largest: int) -> list[int]:
    every = [1_000, 10_000, 100_000, 1_000_000, 5_000_000, 20_000_000]
    return [rows for rows in every if rows <= largest]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the main table")
    parser.add_argument("--rounds", type=int, default=2, help="interleaved runs of each engine")
    parser.add_argument("--largest", type=int, default=1_000_000, help="end of the growth curve")
    parser.add_argument("--files", type=int, default=2_000, help="small files dropped at once")
    parser.add_argument("--idle-s", type=float, default=30.0, help="how long idling is watched")
    parser.add_argument("--only", nargs="+", help="names of the measurements to make")
    parser.add_argument("--smoke", action="store_true", help="tiny sizes, for CI")
    parser.add_argument("--folder", help="where the files are made and kept")
    parser.add_argument("--results", default=str(report.RESULTS), help="where results are written")
    return parser.parse_args()


if __name__ == "__main__":
    main()
