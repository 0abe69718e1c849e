"""Verbs that look at any file for itself, without a daemon or a contract: read, sniff."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from daemon.cli.common import JsonOption, add, ends_plainly, err, out, plain, print_json
from daemon.cli.common import table as columns
from daemon.errors import ExitCode, Refused

if TYPE_CHECKING:
    from pipeline.formats.raw.view import RawView

_UNSURE = 0.6


class Header(StrEnum):
    """Whether the names of the columns are written."""

    KEEP = "keep"
    NONE = "none"


FilesArgument = Annotated[
    list[Path] | None,
    typer.Argument(metavar="FILE...", help="Any file; it is only read."),
]
BatchOption = Annotated[
    bool,
    typer.Option(
        "--batch",
        help="Many files, named here or one a line on standard input: one JSON line each.",
    ),
]
TableOption = Annotated[
    str | None,
    typer.Option(
        "--table",
        metavar="N|NAME",
        help="Which table of a file with several: its number or name, as sniff lists them.",
    ),
]


@ends_plainly
def sniff(
    files: FilesArgument = None,
    table: TableOption = None,
    batch: BatchOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say how a file is written: encoding, separator, quotes, header, what stands around it."""
    if batch:
        _each(files, lambda path: _view(path, table).described)
        return
    for path in _named(files):
        described = _tried(path, table).described
        if as_json:
            print_json({"file": str(path), **described})
        else:
            _print(path, described)


@ends_plainly
def read(
    files: FilesArgument = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="OUT", help="File to write; a folder with --batch."),
    ] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="The text of every cell as it stands; the default.")
    ] = True,
    header: Annotated[
        Header, typer.Option(help="Write the names of the columns as a first line, or not.")
    ] = Header.KEEP,
    table: TableOption = None,
    batch: BatchOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the table of any file as one plain CSV: UTF-8, commas, the text of every cell kept."""
    if batch:
        _read_many(files, output, header, table)
        return
    paths = _named(files)
    if len(paths) > 1:
        raise Refused(ExitCode.USAGE, "One file is read at a time.", "Add --batch for many.")
    view = _tried(paths[0], table)
    count = _write(view, output, header)
    told = {"file": str(paths[0]), "written_rows": count, **view.described}
    if as_json:
        stream = sys.stdout if output is not None else sys.stderr
        stream.write(json.dumps(told, ensure_ascii=True) + "\n")
    else:
        _warn(view.described)


def _read_many(
    files: Iterable[Path] | None, output: Path | None, header: Header, table: str | None
) -> None:
    if output is None or not output.is_dir():
        raise Refused(
            ExitCode.USAGE, "With --batch, -o names an existing folder.", "Make it, and name it."
        )

    def one(path: Path) -> dict[str, Any]:
        view = _view(path, table)
        target = output / f"{path.name.removesuffix('.csv')}.csv"
        return {**view.described, "written": str(target),
                "written_rows": _write(view, target, header)}  # fmt: skip

    _each(files, one)


def _write(view: RawView, output: Path | None, header: Header) -> int:
    from pipeline.formats.raw.view import write_plain

    keeps = header is Header.KEEP
    if output is None:
        sys.stdout.reconfigure(encoding="utf-8", newline="")  # type: ignore[union-attr]
        return write_plain(view, sys.stdout, with_header=keeps)
    try:
        with output.open("w", encoding="utf-8", errors="replace", newline="") as target:
            return write_plain(view, target, with_header=keeps)
    except OSError as error:
        raise Refused(
            ExitCode.UNAVAILABLE, f"{output} cannot be written: {error.strerror}.", "Name another."
        ) from None


def _view(path: Path, table: str | None) -> RawView:
    from pipeline.formats.memberview import view_any
    from pipeline.messages import Limits

    return view_any(path, Limits(), table)


def _tried(path: Path, table: str | None) -> RawView:
    """The file's raw view, or a refusal in plain words."""
    from pipeline.errors import FILE_CODES, PipelineError

    if not path.is_file():
        raise Refused(ExitCode.NOT_FOUND, f"There is no file {path}.", "Check the path.")
    try:
        return _view(path, table)
    except PipelineError as error:
        text = FILE_CODES[error.code]
        raise Refused(
            ExitCode.USAGE, f"{error.code}: {text.meaning} ({error.note})", text.advice
        ) from None


def _named(files: Iterable[Path] | None) -> list[Path]:
    paths = list(files or ())
    if not paths:
        raise Refused(ExitCode.USAGE, "No file is named.", "Name one, or pipe names to --batch.")
    return paths


def _each(files: Iterable[Path] | None, one: Any) -> None:
    """One JSON line a file; a file that cannot be read has its error there."""
    from pipeline.errors import PipelineError

    for path in _paths(files):
        try:
            told = one(path)
        except PipelineError as error:
            told = {"error": str(error.code), "message": error.note}
        except (OSError, ValueError, MemoryError) as error:
            told = {"error": "INTERNAL", "message": type(error).__name__}
        sys.stdout.write(json.dumps({"file": str(path), **told}, ensure_ascii=True) + "\n")
        sys.stdout.flush()


def _paths(files: Iterable[Path] | None) -> Iterator[Path]:
    if files:
        yield from files
        return
    for line in sys.stdin:
        if line.strip():
            yield Path(line.rstrip("\r\n"))


def _warn(described: dict[str, Any]) -> None:
    """Say on standard error how sure the reading is, and what was done to damaged lines."""
    sure = described["confidence"]
    note = f"confidence {sure:.2f}"
    if described.get("left_out"):
        places = ", ".join(described["left_out_at"])
        note += f"; {described['left_out']} records are none of the table, at {places}"
    if sure < _UNSURE:
        note += "; look at the result: " + "; ".join(described["evidence"])
    err.print(plain(note))


def _print(path: Path, described: dict[str, Any]) -> None:
    out.print(plain(path))
    made = columns("", "")
    for key, value in described.items():
        if key in ("evidence", "tables") or value in (None, [], ""):
            continue
        shown = repr(value) if key in ("delimiter", "quotechar", "escapechar") else value
        add(made, key, ", ".join(map(str, shown)) if isinstance(shown, list) else shown)
    out.print(made)
    for one in described["tables"] if len(described["tables"]) > 1 else ():
        about = f" ({one['about']})" if one["about"] else ""
        read = "; this one is shown" if one["read"] else ""
        out.print(plain(f"  table {one['number']}: {one['name']}{about}{read}"))
    for note in described["evidence"]:
        out.print(plain(f"  {note}"))


def register(app: typer.Typer) -> None:
    """Add the verbs."""
    app.command()(read)
    app.command()(sniff)
