"""The tables in docs/ that are written from the code, between `<!-- table: NAME -->` marks.

`python -m tests.doc_tables` writes them anew; tests/unit/test_docs.py compares.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import typer.main
from pydantic import BaseModel

from daemon.cli.root import app
from daemon.errors import EXIT_CODES
from daemon.inbox.names import IGNORED
from daemon.settings import Completeness, Settings, Source
from daemon.states import TRANSITIONS
from pipeline.errors import FILE_CODES, ROW_CODES

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
_COMMON = ("help", "root", "config")  # explained once, above the verbs
_BLOCK = re.compile(r"(<!-- table: ([a-z-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def settings_table() -> str:
    """Every setting, section by section."""
    defaults = Settings.model_construct().model_dump(mode="json")
    parts = [_setting_rows("", Settings, defaults)]
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, BaseModel):
            section = type(field.default)
            heading = f"### {name}\n\n{(section.__doc__ or '').strip()}\n\n"
            parts.append(heading + _setting_rows(f"{name}.", section, defaults[name]))
    parts.append(f"### sources\n\n{(Source.__doc__ or '').strip()}\n\n{_source_rows()}")
    return "\n\n".join(parts)


def _setting_rows(prefix: str, model: type[BaseModel], defaults: dict[str, Any]) -> str:
    rows = [
        (f"`{prefix}{name}`", _default(defaults[name]), field.description or "")
        for name, field in model.model_fields.items()
        if not isinstance(field.default, BaseModel)
    ]
    return _table(("Setting", "Default", "Meaning"), rows)


def _source_rows() -> str:
    """The keys of one entry of `sources`, those of `complete` included."""
    values = Source(path=".").model_dump(mode="json") | {"path": "(needed)"}
    rows = _setting_rows("", Source, values)
    below = _setting_rows("complete.", Completeness, values["complete"])
    return rows + "\n" + below.split("\n", 2)[2]


def _default(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    return f"`{value}`"


def file_codes_table() -> str:
    """Every code of a refused file."""
    rows = [(f"`{code}`", text.meaning, text.advice) for code, text in FILE_CODES.items()]
    return _table(("Code", "What it means", "What to do"), rows)


def row_codes_table() -> str:
    """Every code of a refused or marked row."""
    return _table(("Code", "What it means"), [(f"`{c}`", text) for c, text in ROW_CODES.items()])


def exit_codes_table() -> str:
    """Every exit code."""
    return _table(("Code", "Meaning"), [(f"{int(c)}", text) for c, text in EXIT_CODES.items()])


def transitions_table() -> str:
    """The state machine, one row a transition."""
    rows = [(f"`{state}`", f"`{event}`", f"`{then}`") for (state, event), then in _transitions()]
    return _table(("State", "Event", "Next state"), rows)


def _transitions() -> Iterable[tuple[tuple[str, str], str]]:
    return TRANSITIONS.items()


def ignored_table() -> str:
    """Every name that is left alone in the inbox."""
    return _table(("Name", "Why"), [(f"`{rule.pattern}`", rule.reason) for rule in IGNORED])


def commands_page() -> str:
    """Every verb with its arguments and options, as the program itself describes them."""
    return "\n\n".join(_verb(name, command) for name, command in verbs())


def verbs() -> Iterator[tuple[str, Any]]:
    """Every verb with its parsed command, `config show` by its full name."""
    for name, command in typer.main.get_command(app).commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", None)
        if below is None:
            yield name, command
        else:
            yield from ((f"{name} {inner}", verb) for inner, verb in below.items())


def _verb(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    usage = " ".join(["harmonizer", name, "[OPTIONS]", *(_metavar(one) for one in arguments)])
    rows = [(_spelling(one), _meaning(one)) for one in command.params if one.name not in _COMMON]
    listed = f"\n\n{_table(('Argument or option', 'Meaning'), rows)}" if rows else ""
    return f"### {name}\n\n    {usage}\n\n{command.help}{listed}"


def _metavar(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return f"{name if argument.required else f'[{name}]'}{'...' if argument.nargs == -1 else ''}"


def _spelling(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return f"`{parameter.metavar or parameter.name.upper()}`"
    words = ", ".join(f"`{word}`" for word in parameter.opts)
    return words if parameter.is_flag else f"{words} `{parameter.metavar or 'TEXT'}`"


def _meaning(parameter: Any) -> str:
    default = parameter.default
    if default is None or isinstance(default, bool) or callable(default):
        return str(parameter.help or "")
    return f"{parameter.help} Default: {default}."


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in r] for r in rows)]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings_table,
    "file-codes": file_codes_table,
    "row-codes": row_codes_table,
    "exit-codes": exit_codes_table,
    "transitions": transitions_table,
    "ignored-names": ignored_table,
    "commands": commands_page,
}


def blocks(text: str) -> list[str]:
    """Names of the tables a page asks for."""
    return [found[2] for found in _BLOCK.finditer(text)]


def filled(text: str) -> str:
    """The page with every table written anew."""
    return _BLOCK.sub(lambda found: f"{found[1]}{TABLES[found[2]]()}\n{found[3]}", text)


def write_all() -> None:
    """Write the tables into the pages that ask for them."""
    for page in sorted(DOCS.rglob("*.md")):
        text = page.read_text(encoding="utf-8")
        if filled(text) != text:
            page.write_text(filled(text), encoding="utf-8")


if __name__ == "__main__":
    write_all()
