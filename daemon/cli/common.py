"""What every verb shares: finding the configuration, printing, and ending with the right code."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.text import Text

from daemon.errors import ExitCode, Refused, SettingsError

if TYPE_CHECKING:  # the settings bring pydantic, which --help and a wrong command line can spare
    from rich.table import Table

    from daemon.settings import Settings

out = Console(highlight=False, soft_wrap=True)
if not out.is_terminal:
    out.width = 240  # a program or a pager reads this; lines are not to be broken for it
err = Console(stderr=True, highlight=False, soft_wrap=True)

RootOption = Annotated[
    Path | None,
    typer.Option("--root", metavar="DIR", help="The folder that holds inbox, outbox and the rest."),
]
ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", metavar="FILE", help="The settings file."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]

_BESIDE_ROOT = ("harmonizer.yaml", "config/harmonizer.yaml")
_SYSTEM = Path("/etc/harmonizer/harmonizer.yaml")

P = ParamSpec("P")
R = TypeVar("R")


def settings_from(context: typer.Context, root: Path | None, config: Path | None) -> Settings:
    """The settings in force: the verb's own options, then those before the verb, then by search.

    Searched: $HARMONIZER_CONFIG, harmonizer.yaml and config/harmonizer.yaml in the root (or here),
    /etc/harmonizer/harmonizer.yaml. Without any of them the defaults hold.
    """
    from daemon.settings import load_settings

    before: dict[str, Path | None] = context.find_root().obj or {}
    root = root or before.get("root")
    config = config or before.get("config")
    if root is not None and not root.is_dir():
        raise Refused(
            ExitCode.NOT_FOUND, f"There is no folder {root}.", "Make one with 'harmonizer init'."
        )
    return load_settings(config or found_config(root), root)


def found_config(root: Path | None) -> Path | None:
    """The settings file to use when none is named."""
    named = os.environ.get("HARMONIZER_CONFIG")
    if named and root is None:
        return Path(named)
    here = root or Path()
    beside = [here / name for name in _BESIDE_ROOT]
    if root is None:
        beside.append(_SYSTEM)
    return next((path for path in beside if path.is_file()), None)


def ends_plainly(verb: Callable[P, R]) -> Callable[P, R]:
    """Turn a refusal into two lines for people and an exit code for scripts."""

    @wraps(verb)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return verb(*args, **kwargs)
        except Refused as refused:
            err.print(Text(refused.sentence, style="bold red"))
            err.print(Text(refused.hint))
            raise typer.Exit(refused.code) from None
        except SettingsError as error:
            err.print(Text(str(error), style="bold red"))
            err.print(Text("Correct it and try again."))
            raise typer.Exit(ExitCode.CONFIG) from None
        except BrokenPipeError:  # `harmonizer jobs | head`
            sys.stderr.close()
            raise typer.Exit(ExitCode.OK) from None
        except Exception as error:  # the edge: what is printed must hold no cell of any file
            if type(error).__module__.partition(".")[0] in ("typer", "click"):
                raise
            _tell_of_mistake(error)
            raise typer.Exit(ExitCode.CRASHED) from None

    return wrapped


def _tell_of_mistake(error: Exception) -> None:
    from pipeline.errors import trace_of

    kind = type(error).__name__
    err.print(Text(f"This command met a mistake of the program: {kind}.", style="bold red"))
    err.print(Text("Report it with these lines; they hold no data of any file."))
    for line in trace_of(error):
        err.print(Text(f"  {line}"))


def print_json(document: Any) -> None:
    """One JSON document on standard output, the same whatever the terminal."""
    sys.stdout.write(json.dumps(document, ensure_ascii=True, indent=2) + "\n")


def job_number(text: str) -> int:
    """`j42` or `42` as a number."""
    found = re.fullmatch(r"j?([1-9][0-9]{0,17})", text)
    if found is None:
        raise Refused(ExitCode.USAGE, f"'{text}' is not a job.", "Write it like j42.")
    return int(found[1])


def plain(text: object) -> Text:
    """Text as it is: file names must not be taken for markup, nor act on the terminal."""
    return Text(
        "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
    )


_FREE_TEXT = {"file", "why", "what it means", "finding", "sha256", ""}


def table(*columns: str) -> Table:
    """A table in the house style: only columns of free text are broken over lines."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        made.add_column(column, overflow="fold", no_wrap=column not in _FREE_TEXT)
    return made


def add(made: Table, *cells: object) -> None:
    """One row; cells are shown as they are."""
    made.add_row(*("" if cell is None else plain(cell) for cell in cells))


def ago(at_s: float) -> str:
    """How long ago, in one or two figures."""
    seconds = max(0.0, datetime.now(UTC).timestamp() - at_s)
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"


def size(number: float | None) -> str:
    """Bytes in a unit people read."""
    if number is None:
        return "?"
    for unit in ("B", "KB", "MB", "GB"):
        if number < 1024:
            return f"{number:.0f} {unit}"
        number /= 1024
    return f"{number:.1f} TB"


def tell(answers: list[dict[str, Any]], as_json: bool, nothing: str = "") -> None:
    """What the daemon answered to what it was asked; ends with 75 if it refused any of it."""
    if as_json:
        print_json(answers)
    elif not answers:
        out.print(nothing)
    else:
        for answer in answers:
            for line in answer["answer"].splitlines():
                out.print(plain(line))
    if any(answer["ok"] is False for answer in answers):
        raise typer.Exit(ExitCode.TEMPORARY)


@contextmanager
def progress(total: int, what: str) -> Iterator[Callable[[], None]]:
    """A progress bar on a terminal, silence elsewhere. Call the yielded function once an item."""
    from rich.progress import Progress

    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
