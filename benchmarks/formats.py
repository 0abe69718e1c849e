"""Rate and peak memory of every reader: `python -m benchmarks.formats [rows]`.

Each format is read in a process of its own, twice: once as made, once twice as long, so that
memory that grows with the file shows. What is measured is opening and one pass over all batches.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

COLUMNS = [f"field_{number}" for number in range(17)]


def rows(count: int) -> Iterator[list[str]]:
    """Rows of text: an id, a name, a date and numbers."""
    for number in range(count):
        yield [
            f"P{number:07d}",
            f"Name {number % 977}",
            f"19{number % 90 + 10}-0{number % 9 + 1}-1{number % 9}",
            *(f"{(number * column) % 1000 / 10}" for column in range(1, 15)),
        ]


def make(kind: str, path: Path, count: int) -> None:
    """Write a table of `count` rows."""
    if kind == "csv":
        with path.open("w") as out:
            out.write(",".join(COLUMNS) + "\n")
            out.writelines(",".join(row) + "\n" for row in rows(count))
    elif kind == "csv.gz":
        with gzip.open(path, "wt", compresslevel=1) as packed:
            packed.write(",".join(COLUMNS) + "\n")
            packed.writelines(",".join(row) + "\n" for row in rows(count))
    elif kind in ("json", "jsonl"):
        joint = ",\n" if kind == "json" else "\n"
        with path.open("w") as out:
            out.write('{"data": [' if kind == "json" else "")
            for number, row in enumerate(rows(count)):
                out.write(
                    (joint if number else "") + json.dumps(dict(zip(COLUMNS, row, strict=True)))
                )
            out.write("]}" if kind == "json" else "\n")
    elif kind == "xml":
        with path.open("w") as out:
            out.write("<export>")
            for row in rows(count):
                cells = "".join(f"<{n}>{v}</{n}>" for n, v in zip(COLUMNS, row, strict=True))
                out.write(f"<row>{cells}</row>\n")
            out.write("</export>")
    elif kind == "html":
        with path.open("w") as out:
            out.write("<table><tr><th>" + "<th>".join(COLUMNS))
            out.writelines("<tr><td>" + "<td>".join(row) + "\n" for row in rows(count))
            out.write("</table>")
    elif kind == "xlsx":
        import openpyxl

        book = openpyxl.Workbook(write_only=True)
        sheet = book.create_sheet("Data")
        sheet.append(COLUMNS)
        for row in rows(count):
            sheet.append([*row[:3], *map(float, row[3:])])
        book.save(path)
    elif kind in ("xls", "xlsb"):
        from tests.unit.binarybooks import as_xls, as_xlsb

        binary = as_xls if kind == "xls" else as_xlsb
        path.write_bytes(binary(COLUMNS, [[*row[:3], *map(float, row[3:])] for row in rows(count)]))
    elif kind == "ods":
        from tests.unit import opendocument as made

        lines = "".join(
            made.row(*map(made.words, row[:3]), *(made.cell("float", v, "N6") for v in row[3:]))
            for row in rows(count)
        )
        path.write_bytes(made.ods(made.content(made.row(*map(made.words, COLUMNS)) + lines)))
    else:
        import pyarrow as pa
        import pyarrow.feather as feather
        import pyarrow.parquet as pq

        columns = [list(column) for column in zip(*rows(count), strict=True)]
        typed = [
            pa.array(column if at < 3 else [float(one) for one in column])
            for at, column in enumerate(columns)
        ]
        table = pa.table(typed, names=COLUMNS)
        if kind == "parquet":
            pq.write_table(table, path)
        else:
            feather.write_feather(table, path)


def memory_mb(which: str) -> float:
    """Memory of this process: VmRSS now, VmHWM at most. Unlike getrusage's, not its parent's."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    [line] = [line for line in status.splitlines() if line.startswith(f"{which}:")]
    return int(line.split()[1]) / 1024


def read(path: Path) -> None:
    """Read a file and print rows, seconds of CPU and MB at most."""
    from pipeline.formats import open_table
    from pipeline.messages import Limits

    before = memory_mb("VmRSS")
    started = time.process_time()
    count = sum(batch.read for batch in open_table(path, Limits()).batches())
    used = time.process_time() - started
    peak = memory_mb("VmHWM") - before
    print(json.dumps({"rows": count, "cpu_s": round(used, 2), "added_mb": round(peak)}))


def main() -> None:
    """Measure every format."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    everything = ["csv", "csv.gz", "jsonl", "json", "xml", "html", "xlsx", "xls", "xlsb", "ods"]
    everything += ["parquet", "feather"]
    kinds = sys.argv[2:] or everything
    print(f"{'format':10}{'rows':>9}{'MB':>8}{'CPU s':>8}{'MB/s':>8}{'rows/s':>10}{'peak MB':>9}")
    with tempfile.TemporaryDirectory() as folder:
        for kind in kinds:
            for size in (count, 2 * count):
                path = Path(folder) / f"table.{kind}"
                make(kind, path, size)
                found = json.loads(
                    subprocess.run(
                        [sys.executable, "-m", "benchmarks.formats", "--read", str(path)],
                        check=True,
                        capture_output=True,
                    ).stdout
                )
                megabytes = path.stat().st_size / 1e6
                print(
                    f"{kind:10}{found['rows']:9}{megabytes:8.1f}{found['cpu_s']:8}"
                    f"{megabytes / found['cpu_s']:8.1f}{found['rows'] / found['cpu_s']:10.0f}"
                    f"{found['added_mb']:9}",
                    flush=True,
                )
                path.unlink()


if __name__ == "__main__":
    if sys.argv[1:2] == ["--read"]:
        read(Path(sys.argv[2]))
    else:
        main()
