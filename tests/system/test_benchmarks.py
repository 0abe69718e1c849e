"""The benchmarks work, and what they compare agrees. Nothing here depends on how long it takes."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from benchmarks import agree, engines_run, report, service
from benchmarks.generate import FAULTS, generate
from benchmarks.measure import run

ROWS = 3_000


def installed_engines() -> list[str]:
    """The product, and those peers whose library is here: `make bench` has all of them."""
    needs = {"in_polars": "polars", "in_duckdb": "duckdb"}
    return [
        engine
        for engine in (engines_run.PRODUCT, *engines_run.PEERS)
        if engine not in needs or _is_installed(needs[engine])
    ]


def _is_installed(name: str) -> bool:
    from importlib.util import find_spec

    return find_spec(name) is not None


@pytest.mark.slow
def test_every_engine_says_row_by_row_what_the_oracle_and_the_truth_say(tmp_path: Path) -> None:
    engines = installed_engines()
    assert {"harmonizer", "in_pandas_naive", "in_pandas_tuned"} <= set(engines)
    engines_run.agree_with_oracle(tmp_path, ROWS, engines)


def test_the_same_seed_makes_the_same_bytes_and_another_one_others(tmp_path: Path) -> None:
    first, truth = generate(tmp_path / "one", 500)
    again, _ = generate(tmp_path / "two", 500)
    other, _ = generate(tmp_path / "three", 500, seed=6)
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()
    assert pq.read_metadata(truth).num_rows == 500


def test_a_large_enough_file_holds_every_fault_and_every_fate(tmp_path: Path) -> None:
    _, truth = generate(tmp_path, 30_000)
    table = pq.read_table(truth, columns=["fate", "field", "code"]).to_pydict()
    assert set(table["fate"]) == {"written", "rejected", "duplicate"}
    met = set(zip(table["field"], table["code"], strict=True))
    expected = {(field if code != "row-constraint" else "", code) for field, _, code in FAULTS}
    assert expected <= met
    assert ("family_name", "key-conflict") in met


@pytest.mark.slow
def test_a_wrong_cell_a_missing_row_and_a_wrong_count_are_noticed(tmp_path: Path) -> None:
    source, truth = generate(tmp_path, 300)
    out = tmp_path / "out"
    out.mkdir()
    run(["benchmarks.oracle", str(source), str(out)])
    agree.check(out, truth)
    rows = (out / "patients.csv").read_text().splitlines(keepends=True)
    counts = json.loads((out / "counts.json").read_text())

    (out / "patients.csv").write_text("".join(rows).replace("PROV", "PORV", 1))
    with pytest.raises(agree.Disagreement, match="provider_id"):
        agree.check(out, truth)
    (out / "patients.csv").write_text("".join(rows[:-1]))
    with pytest.raises(agree.Disagreement, match="rows"):
        agree.check(out, truth)
    (out / "patients.csv").write_text("".join(rows))
    (out / "counts.json").write_text(json.dumps(counts | {"duplicate": counts["duplicate"] + 1}))
    with pytest.raises(agree.Disagreement, match="duplicates"):
        agree.check(out, truth)


@pytest.mark.slow
def test_one_core_and_two_give_the_same_bytes(tmp_path: Path) -> None:
    assert engines_run.two_cores(tmp_path, 40_000, 1)["same_bytes"]


@pytest.mark.slow
def test_small_files_are_all_delivered_and_a_long_history_is_told(tmp_path: Path) -> None:
    assert service.small_files(tmp_path, 12, history=500)["files"] == 12
    assert service.status_with_history(tmp_path, 2_000)["jobs"] == 2_000
    assert service.scan(tmp_path, 50)["entries"] == 50


def test_results_become_a_table_and_a_plot(tmp_path: Path) -> None:
    cost = {"wall_s": 2.0, "cpu_s": 1.0, "rss_mb": 300.0}
    results = {
        "machine": {"cores": 2},
        "throughput": {
            "rows": 1_000,
            "bytes": 225_000,
            "rounds": 1,
            "engines": {"harmonizer": cost, "in_polars": cost},
            "naive_rows": 1_000,
            "naive": {"harmonizer": cost},
            "ratios": {"in_polars": 1.0},
            "targets": {"in_polars": 0.75},
        },
        "growth": [{"rows": 1_000, **cost, "us_per_row": 9.0}],
        "scan": {"entries": 5, "seconds": 0.1},
    }
    report.write(results, tmp_path)
    assert "| in_polars | 2.0 | 1.0 |" in (tmp_path / "results.md").read_text()
    assert (tmp_path / "results.svg").read_text().startswith("<svg")
    assert json.loads((tmp_path / "results.json").read_text()) == results
