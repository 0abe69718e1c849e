"""Harmonizer and its peers at the same job: first they must agree, then their time counts.

Runs are interleaved (each round runs every engine once), so that whatever else the machine does
meets all of them alike. CPU-seconds are the figure to compare; wall time needs a quiet machine.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks import agree
from benchmarks.generate import generate
from benchmarks.measure import Cost, middle, run

PRODUCT = "harmonizer"
PEERS = ("in_polars", "in_duckdb", "in_pandas_tuned", "in_pandas_naive")
TARGETS = {"in_polars": 0.75, "in_duckdb": 0.45, "in_pandas_naive": 0.13}
"""Most CPU the product may take, as a share of the peer's."""
ORACLE_ROWS = 20_000


def compare(folder: Path, rows: int, *, rounds: int, naive_rows: int) -> dict[str, Any]:
    """Time every engine on `rows` rows; the naive one, which is slow, on `naive_rows`."""
    agree_with_oracle(folder, min(rows, ORACLE_ROWS))
    costs: dict[str, list[Cost]] = {}
    for round_ in range(rounds):
        for engine in (PRODUCT, *PEERS[:-1]):
            costs.setdefault(engine, []).append(_timed(folder, engine, rows, check=round_ == 0))
    table = {engine: middle(several).to_dict() for engine, several in costs.items()}
    table["floor"] = middle([_floor(folder, rows) for _ in range(rounds)]).to_dict()
    few = {e: _timed(folder, e, naive_rows, check=True) for e in (PRODUCT, PEERS[-1])}
    naive = {engine: cost.to_dict() for engine, cost in few.items()}
    return {
        "rows": rows,
        "bytes": generate(folder, rows)[0].stat().st_size,
        "rounds": rounds,
        "engines": table,
        "naive_rows": naive_rows,
        "naive": naive,
        "ratios": ratios(table, naive),
        "targets": TARGETS,
    }


def ratios(table: dict[str, Any], naive: dict[str, Any]) -> dict[str, float]:
    """The product's CPU time as a share of each peer's."""
    own = table[PRODUCT]["cpu_s"]
    found = {engine: own / table[engine]["cpu_s"] for engine in table if engine != PRODUCT}
    found[PEERS[-1]] = naive[PRODUCT]["cpu_s"] / naive[PEERS[-1]]["cpu_s"]
    return {engine: round(ratio, 3) for engine, ratio in found.items()}


def agree_with_oracle(folder: Path, rows: int, engines: Sequence[str] = (PRODUCT, *PEERS)) -> None:
    """Every engine's rows, rejects and counts against the row-by-row oracle and the truth.

    Raises:
        Disagreement: an engine says something else.
    """
    source, truth = generate(folder, rows)
    told = _fresh(folder / "out-oracle")
    run(["benchmarks.oracle", str(source), str(told)])
    expected = agree.check(told, truth)
    for engine in engines:
        out = _fresh(folder / f"out-{engine}")
        run([f"benchmarks.engines.{engine}", str(source), str(out)])
        agree.same_counts(agree.check(out, truth), expected)


def _timed(folder: Path, engine: str, rows: int, *, check: bool) -> Cost:
    source, truth = generate(folder, rows)
    out = _fresh(folder / f"out-{engine}")
    cost = run([f"benchmarks.engines.{engine}", str(source), str(out)])
    if check:
        agree.check(out, truth)
    shutil.rmtree(out)
    return cost


def _floor(folder: Path, rows: int) -> Cost:
    out = _fresh(folder / "out-floor")
    source = str(generate(folder, rows)[0])
    cost = run(["benchmarks.engines.floor", source, str(out)])
    shutil.rmtree(out)
    return cost


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def alone(folder: Path, rows: int) -> Cost:
    """The product without its daemon."""
    return _timed(folder, PRODUCT, rows, check=True)


def growth(folder: Path, sizes: Sequence[int]) -> list[dict[str, Any]]:
    """What the product costs for files of many sizes: CPU a row, and peak memory."""
    found = []
    for rows in sizes:
        cost = _timed(folder, PRODUCT, rows, check=True)
        found.append(
            {"rows": rows, **cost.to_dict(), "us_per_row": round(cost.cpu_s / rows * 1e6, 2)}
        )
    return found


def two_cores(folder: Path, rows: int, rounds: int) -> dict[str, Any]:
    """One file on one core and on two: the same bytes, and how much sooner."""
    source, _ = generate(folder, rows)
    walls: dict[int, list[Cost]] = {1: [], 2: []}
    outputs = set()
    for _ in range(rounds):
        for cores in walls:
            out = _fresh(folder / "out-cores")
            arguments = [f"benchmarks.engines.{PRODUCT}", str(source), str(out)]
            walls[cores].append(run(arguments, cores=range(cores)))
            outputs.add((out / "patients.csv").read_bytes())
            shutil.rmtree(out)
    one, two = (middle(walls[cores]) for cores in (1, 2))
    return {
        "rows": rows,
        "one_core": one.to_dict(),
        "two_cores": two.to_dict(),
        "times_faster": round(one.wall_s / two.wall_s, 2),
        "same_bytes": len(outputs) == 1,
    }
