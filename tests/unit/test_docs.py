"""The documents say what the program does: tables, links, commands and examples are compared."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import pytest
import typer.main
from pydantic import BaseModel

from daemon.cli.root import app
from daemon.settings import Settings
from pipeline.contract.loading import parse_contract
from pipeline.errors import FileCode
from tests.doc_tables import ROOT, TABLES, blocks, filled, verbs
from tests.support import GOOD, World

PAGES = sorted(
    [
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
    ]
)
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
WITH_COMMANDS = [
    *PAGES,
    ROOT / "config/harmonizer.yaml",
    ROOT / "config/systemd/harmonizer.service",
    *(ROOT / "daemon").rglob("*.py"),
    ROOT / "pipeline/errors.py",
]

each_page = pytest.mark.parametrize("page", PAGES, ids=IDS)


def text_of(name: str | Path) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def code_of(text: str) -> list[str]:
    """Lines of code blocks, fenced or indented, and inline code."""
    fenced = re.findall(r"^```[a-z]*\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [line for block in fenced for line in block.splitlines()]
    lines += re.findall(r"^    (.*)$", text, re.MULTILINE)
    return lines + re.findall(r"`([^`\n]+)`", text)


def table_after(text: str, mark: str) -> list[str]:
    """Names in the first column of the first table after `mark`."""
    rows: list[str] = []
    for line in text[text.index(mark) + len(mark) :].splitlines():
        if line.startswith("|"):
            rows += re.findall(r"`([^`]+)`", line.split("|")[1])
        elif rows:
            break
    return rows


def headings_of(text: str) -> set[str]:
    """Anchors of a page's headings, as GitHub makes them."""
    found = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@each_page
def test_tables_written_from_the_code_are_up_to_date(page: Path) -> None:
    text = text_of(page)
    assert filled(text) == text, "run: python -m tests.doc_tables"


def test_every_table_has_a_page() -> None:
    assert {name for page in PAGES for name in blocks(text_of(page))} == set(TABLES)


@each_page
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path) if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in headings_of(text_of(there)), target


@pytest.mark.parametrize("page", WITH_COMMANDS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_command_shown_can_be_given(page: Path) -> None:
    shown = text_of(page)
    match page.suffix:
        case ".md":
            lines = [line for line in code_of(shown) if "[OPTIONS]" not in line]
        case ".py":
            lines = re.findall(r"'(harmonizer [^']+)'", shown)
            lines = [re.sub(r"\{[^{}]*\}", "1", line) for line in lines]  # of f-strings
        case _:
            lines = re.findall(r"^(?:ExecStart=|# Check this file with: )(.*)$", shown, re.M)
    for line in lines:
        for command in re.findall(r"(?:^|[\s/])harmonizer ([a-z][^#\n]*)", line):
            parse(command.split("&&")[0].strip())


def parse(command_line: str) -> None:
    """Fail unless the program takes these words; nothing is carried out."""
    words = shlex.split(command_line)
    command = typer.main.get_command(app)
    while hasattr(command, "commands"):
        known = command.commands
        assert words, f"no verb in: {command_line}"
        assert words[0] in known, f"no such verb: {command_line}"
        command = known[words.pop(0)]
    if words:  # the verb alone only names it
        command.make_context("harmonizer", words)


def test_every_verb_is_documented_and_has_help() -> None:
    page = text_of("docs/commands.md")
    for name, command in verbs():
        assert f"### {name}\n" in page
        assert command.help, name
        for parameter in command.params:
            for option in parameter.opts:
                assert option in page or parameter.param_type_name == "argument", (name, option)
            assert parameter.name == "help" or parameter.help, (name, parameter.name)


@each_page
def test_every_setting_named_exists(page: Path) -> None:
    sections = {
        name: type(field.default).model_fields
        for name, field in Settings.model_fields.items()
        if isinstance(field.default, BaseModel)
    }
    for section, key in re.findall(r"`([a-z]+)\.([a-z_]+\*?|\*)[`:]", text_of(page)):
        if section in sections:
            prefix = key.rstrip("*")
            known = sections[section]
            assert key in known or (key != prefix and any(k.startswith(prefix) for k in known)), key


@each_page
def test_no_page_knows_another_machine_than_the_one_it_describes(page: Path) -> None:
    described = ("/opt/harmonizer", "/etc/", "/srv/harmonizer", "/usr/", "/data/", "/var/")
    for line in code_of(text_of(page)):
        for path in re.findall(r"(?:^|[\s=:'\"])(/[a-z]+/[\w./-]*)", line):
            assert path.startswith(described), path


def test_the_runbook_has_an_entry_for_every_code_and_no_other() -> None:
    runbook = text_of("docs/operations.md").partition("## Runbook")[2]
    assert re.findall(r"^### (\S+)$", runbook, re.MULTILINE) == [code.value for code in FileCode]


def test_every_test_the_guarantees_name_exists() -> None:
    page = text_of("docs/guarantees.md")
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page)
    assert len(named) > 25
    for path, name in named:
        assert f"def {name}(" in text_of(path) if name else (ROOT / path).is_file(), (path, name)
    parts = page.split("\n## ")[1:]
    assert [int(part.split(".")[0]) for part in parts] == list(range(1, 11))
    for part in parts:
        assert "Kept by: " in part
        assert "Proved by: " in part
        assert "Not promised: " in part


def example_contracts() -> list[str]:
    """The contracts shown: each begins with a block that names it, further blocks go on."""
    shown: list[str] = []
    for block in re.findall(r"^```yaml\n(.*?)^```", text_of("docs/contracts.md"), re.S | re.M):
        if re.search(r"^name:", block, re.M):
            shown.append(block)
        else:
            shown[-1] += block
    return shown


def test_the_contracts_in_the_documentation_load() -> None:
    loaded = []
    for text in example_contracts():
        contract, problems = parse_contract("shown.contract.yaml", text.encode())
        assert not problems
        assert contract is not None
        loaded.append(contract)
    assert [one.name for one in loaded] == ["stays", "ward_signs"]
    assert len(loaded[0].fields) > 10


def test_the_contracts_in_the_documentation_show_every_word() -> None:
    schema = json.loads(text_of("config/schemas/contract.schema.json"))
    parts = [schema, *schema["$defs"].values()]
    known = {key for part in parts for key in part.get("properties", {})}
    shown = set(re.findall(r"([$\w]+):", "\n".join(example_contracts())))
    assert known - shown == set()


def test_decisions_are_numbered_and_have_the_same_four_parts() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    assert [page.name[:4] for page in pages] == [f"{n:04}" for n in range(1, len(pages) + 1)]
    for page in pages:
        text = text_of(page)
        assert text.startswith(f"# {page.name[:4]} ")
        places = [
            text.find(part) for part in ("**Context.**", "**Decision.**", "**Consequences.**")
        ]
        places.append(text.find("**Revisit**"))
        assert -1 not in places, page.name
        assert places == sorted(places), page.name


@pytest.fixture
def day(tmp_path: Path) -> World:
    """One delivered file with a reject and a column of its own, one refused one."""
    world = World(tmp_path, output={"changes": "full"})
    header, *rows = GOOD.splitlines()
    good = [f"PT-1{n:03},Family{n},Given{n},1960-01-02,F" for n in range(9)]
    lines = [*rows, *good, "PT-0009,Bad,Date,1960-13-40,F"]
    world.drop(
        "monday.csv", "\n".join([f"{header},shoe", *(f"{line},44" for line in lines)]) + "\n"
    )
    world.drop("shapes.csv", "colour,shape\nred,round\n")
    world.run_until_idle()
    world.close()
    return world


def only(world: World, pattern: str) -> Path:
    [path] = world.root.glob(pattern)
    return path


def test_every_key_and_column_that_is_written_is_documented(day: World) -> None:
    page = text_of("docs/deliveries.md")
    report = json.loads(only(day, "outbox/*/*/report.json").read_text())
    assert table_after(page, "**`report.json`**") == list(report)
    counted = [name for name in report["counts"] if name != "skipped_because"]
    assert table_after(page, "## Every row is accounted for") == counted
    job = json.loads(only(day, "archive/*/*/job.json").read_text())
    reason = json.loads(only(day, "error/*/*/reason.json").read_text())
    assert set(table_after(page, "**`job.json`**")) - {"original_missing"} - {
        "delivered",
        "duplicate",
        "cancelled",
        "quarantined",
    } == set(job) | set(reason)
    for path, mark in (
        ("outbox/*/*/rejects.csv", "**`rejects.csv`**"),
        ("error/INDEX.csv", "`error/INDEX.csv` lists all"),
    ):
        with only(day, path).open(encoding="utf-8-sig", newline="") as stream:
            header_line = next(csv.reader(stream))
            own = header_line[: header_line.index("job") + 1] if "rejects" in path else header_line
            written = [name for name in table_after(page, mark) if name != "position"]
            assert written == own, path  # a CSV's lines tell the position
    changes = only(day, "outbox/*/*/changes.csv").read_text(encoding="utf-8").splitlines()[0]
    page_of_changes = text_of("docs/corrections.md")
    assert table_after(page_of_changes, "one line for each changed cell") == changes.split(",")
    with only(day, "outbox/*/*/rescued.csv").open(encoding="utf-8", newline="") as stream:
        sentence = page[page.index("**`rescued.csv`**") :].split("\n\n")[0]
        assert all(f"`{name}`" in sentence for name in next(csv.reader(stream)))


def test_every_file_of_a_delivery_is_documented(day: World) -> None:
    delivered = {path.name for path in day.root.glob("outbox/*/*/*")}
    named = set(table_after(text_of("docs/deliveries.md"), "## A delivery"))
    assert delivered == {
        "patients.csv",
        "rejects.csv",
        "rescued.csv",
        "possible-duplicates.csv",
        "changes.csv",
        "report.html",
        "report.json",
        "datapackage.json",
    }
    assert delivered - {"patients.csv"} <= named
    assert "<contract>.csv" in named
