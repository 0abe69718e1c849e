"""Writes what was measured: numbers for programs, a table for people, and a plot."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
_PACKAGES = ("pyarrow", "numpy", "pandas", "polars", "duckdb", "watchdog")
_COLOURS = ("#2b6cb0", "#c05621", "#2f855a", "#6b46c1", "#718096", "#b83280")


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    return {
        "cores": os.cpu_count(),
        "processor": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load_before": [round(one, 2) for one in os.getloadavg()],
        **{name: version(name) for name in _PACKAGES},
    }


def write(results: dict[str, Any], folder: Path = RESULTS) -> None:
    """Write results.json, results.md and results.svg."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")
    (folder / "results.md").write_text(as_markdown(results))
    (folder / "results.svg").write_text(plot(results))


def as_markdown(results: dict[str, Any]) -> str:
    """Tables of everything that was measured."""
    about = ", ".join(f"{name} {value}" for name, value in results["machine"].items())
    parts = ["# Results", f"Made by `make bench`. {about}.\n"]
    if throughput := results.get("throughput"):
        parts += _throughput(throughput)
    for name in ("growth", "history_growth"):
        if rows := results.get(name):
            parts += [f"## {name.replace('_', ' ').capitalize()}", _table(rows)]
    others = [(name, value) for name, value in results.items() if name in _SECTIONS]
    for name, value in others:
        parts += [f"## {_SECTIONS[name]}", _table(value if isinstance(value, list) else [value])]
    return "\n".join(parts)


_SECTIONS = {
    "two_cores": "One file on two cores",
    "small_files": "Many small files",
    "latency": "Drop to delivered, beyond the quiet period",
    "overhead": "The daemon's share of a large file",
    "idle": "Idle",
    "scan": "One look at the inbox",
    "status": "status with a long history",
    "command": "Start of the command line",
}


def _throughput(throughput: dict[str, Any]) -> list[str]:
    own = throughput["engines"]["harmonizer"]["cpu_s"]
    rows = [
        {
            "engine": engine,
            **cost,
            "MB per CPU-s": round(throughput["bytes"] / 1e6 / cost["cpu_s"], 1),
            "our CPU / its CPU": round(own / cost["cpu_s"], 3),
            "target": throughput["targets"].get(engine, ""),
        }
        for engine, cost in throughput["engines"].items()
    ]
    naive = [
        {
            "engine": engine,
            **cost,
            "our CPU / its CPU": throughput["ratios"].get(engine, 1.0),
            "target": throughput["targets"].get(engine, ""),
        }
        for engine, cost in throughput["naive"].items()
    ]
    return [
        f"## Throughput: {throughput['rows']:,} rows, {throughput['bytes'] / 1e6:.0f} MB, "
        f"median of {throughput['rounds']}",
        _table(rows),
        f"Naive pandas, {throughput['naive_rows']:,} rows:\n",
        _table(naive),
    ]


def _table(rows: Sequence[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(str(row.get(name, "")) for name in names) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def plot(results: dict[str, Any]) -> str:
    """Bars of CPU time by engine; beneath them memory and CPU a row as files grow. SVG."""
    parts = [_bars(results["throughput"])] if "throughput" in results else []
    if growth := results.get("growth"):
        parts.append(_curve(growth, "rss_mb", "Peak memory by rows (MiB)", 260))
        parts.append(_curve(growth, "us_per_row", "CPU a row by rows (µs)", 470))
    inner = "\n".join(parts)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="760" height="680" '
        f'font-family="sans-serif" font-size="12"><rect width="760" height="680" fill="white"/>\n'
        f"{inner}\n</svg>\n"
    )


def _bars(throughput: dict[str, Any]) -> str:
    engines = throughput["engines"]
    most = max(cost["cpu_s"] for cost in engines.values())
    lines = [f'<text x="20" y="24" font-size="15">CPU-seconds, {throughput["rows"]:,} rows</text>']
    for place, (engine, cost) in enumerate(engines.items()):
        y, width = 40 + place * 32, 480 * cost["cpu_s"] / most
        colour = _COLOURS[place % len(_COLOURS)]
        lines.append(f'<text x="20" y="{y + 16}">{engine}</text>')
        lines.append(
            f'<rect x="150" y="{y}" width="{width:.1f}" height="22" fill="{colour}"/>'
            f'<text x="{156 + width:.1f}" y="{y + 16}">{cost["cpu_s"]:.1f} s, '
            f"{cost['rss_mb']:.0f} MiB</text>"
        )
    return "\n".join(lines)


def _curve(growth: Sequence[dict[str, Any]], what: str, title: str, top: int) -> str:
    most = max(one[what] for one in growth) * 1.15
    step = 640 / max(1, len(growth) - 1)
    points = [(60 + at * step, top + 160 - 130 * one[what] / most) for at, one in enumerate(growth)]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    marks = "\n".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#2b6cb0"/>'
        f'<text x="{x:.1f}" y="{y - 8:.1f}" text-anchor="middle">{one[what]:.0f}</text>'
        f'<text x="{x:.1f}" y="{top + 178}" text-anchor="middle">{one["rows"]:,}</text>'
        for (x, y), one in zip(points, growth, strict=True)
    )
    return (
        f'<text x="20" y="{top + 4}" font-size="15">{title}</text>\n'
        f'<polyline points="{line}" fill="none" stroke="#2b6cb0" stroke-width="2"/>\n{marks}'
    )
