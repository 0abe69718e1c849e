"""The house, checked: imports point down, decisions have no effects, workers stay light."""

from __future__ import annotations

import ast
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Lower layers first. A module may import its own layer and anything below.
LAYERS: list[tuple[str, ...]] = [
    ("pipeline.errors", "pipeline.messages", "pipeline.plain", "pipeline.same"),
    (
        "pipeline.ends.binary",
        "pipeline.ends.packed",
        "pipeline.ends.pages",
        "pipeline.ends.seen",
    ),
    ("pipeline.standardize", "pipeline.formats"),
    ("pipeline",),
    ("daemon.states", "daemon.errors", "daemon.settings", "daemon.settings_file"),
    ("daemon.db.files",),
    ("daemon.db.records",),
    (
        "daemon.inbox.checksums",
        "daemon.inbox.completeness",
        "daemon.explain",
        "daemon.fairness",
        "daemon.inbox.manifests",
        "daemon.inbox.names",
        "daemon.othertables",
        "daemon.pace",
        "daemon.policy",
        "daemon.inbox.profiles",
        "daemon.inbox.settle",
    ),
    (
        "daemon.folders.linux",
        "daemon.folders.syncs",
        "daemon.folders.files",
        "daemon.folders.groups",
        "daemon.folders.laidout",
        "daemon.notify",
        "daemon.folders.refusing",
        "daemon.folders.space",
    ),
    (
        "daemon.folders.claim",
        "daemon.folders.companions",
        "daemon.db",
        "daemon.executors",
        "daemon.folders.filing",
        "daemon.folders.kept",
        "daemon.lock",
        "daemon.log_table",
        "daemon.reference_keys",
        "daemon.logs",
        "daemon.review.mapping_shelf",
        "daemon.folders.places",
        "daemon.review.review_desk",
        "daemon.folders.review_folder",
        "daemon.inbox.scan",
        "daemon.folders.spool",
        "daemon.statusfile",
        "daemon.timers",
        "daemon.inbox.watch",
    ),
    ("daemon.shell",),
    (
        "daemon.review.answers",
        "daemon.attempts",
        "daemon.commands",
        "daemon.coordinator",
        "daemon.finishing",
        "daemon.inbox.fragments",
        "daemon.inbox.gate",
        "daemon.review.holding",
        "daemon.housekeeping",
        "daemon.inputs",
        "daemon.intake",
        "daemon.inbox.latecomers",
        "daemon.lineage",
        "daemon.members",
    ),
    ("daemon.status",),
    ("daemon.starting",),
    ("daemon.app", "daemon.inbox.condition", "daemon.inbox.view"),
    ("daemon.glance",),
    (
        "daemon.doctor",
        "daemon.doctor_disk",
        "daemon.explaining",
        "daemon.review.last_plan",
        "daemon.operations",
        "daemon.verify",
        "daemon.why",
    ),
    ("daemon.cli", "daemon.__main__"),
]
# Each of these effects is a stranger to the others, so that one can be replaced.
STRANGERS = (
    "daemon.db",
    "daemon.executors",
    "daemon.folders.spool",
    "daemon.inbox.watch",
    "daemon.timers",
)
PURE = (
    "daemon.inbox.checksums",
    "daemon.inbox.completeness",
    "daemon.explain",
    "daemon.fairness",
    "daemon.inbox.manifests",
    "daemon.inbox.names",
    "daemon.pace",
    "daemon.policy",
    "daemon.inbox.profiles",
    "daemon.inbox.settle",
    "daemon.states",
)
EFFECTS = {"os", "shutil", "sqlalchemy", "subprocess", "time", "random", "loguru", "socket"}


def layer_of(module: str) -> int:
    """The most specific entry wins: daemon.db.records lies below the rest of daemon.db."""
    found = [
        (len(prefix), level)
        for level, prefixes in enumerate(LAYERS)
        for prefix in prefixes
        if module == prefix or module.startswith(f"{prefix}.")
    ]
    assert found, f"{module} belongs to no layer; add it to LAYERS"
    return max(found)[1]


def imports_of(path: Path) -> set[str]:
    """Modules a file imports, wherever in it the import stands; type-checking ones too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path} imports relatively"
            submodules = {f"{node.module}.{alias.name}" for alias in node.names}
            real = {name for name in submodules if is_module(name)}
            found |= real or {node.module}
    return found


def is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def modules() -> list[tuple[str, set[str]]]:
    found = []
    for path in sorted([*ROOT.glob("daemon/**/*.py"), *ROOT.glob("pipeline/**/*.py")]):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        if name not in ("daemon", "pipeline"):
            found.append((name, imports_of(path)))
    return found


MODULES = modules()
IDS = [name for name, _ in MODULES]


@pytest.mark.parametrize(("module", "imports"), MODULES, ids=IDS)
def test_imports_point_down(module: str, imports: set[str]) -> None:
    for target in imports:
        if target.split(".")[0] in ("daemon", "pipeline") and is_module(target):
            assert layer_of(target) <= layer_of(module), f"{module} may not import {target}"


@pytest.mark.parametrize(("module", "imports"), MODULES, ids=IDS)
def test_the_pipeline_knows_no_daemon_and_no_clock(module: str, imports: set[str]) -> None:
    if module.startswith("pipeline"):
        roots = {name.split(".")[0] for name in imports}
        if module == "pipeline.stopwatch":  # durations for the report; no value depends on them
            roots -= {"time"}
        assert not roots & {"daemon", "sqlalchemy", "watchdog", "apscheduler", "time", "random"}


@pytest.mark.parametrize(("module", "imports"), MODULES, ids=IDS)
def test_decisions_have_no_effects(module: str, imports: set[str]) -> None:
    if module in PURE:
        assert not {name.split(".")[0] for name in imports} & EFFECTS


@pytest.mark.parametrize(("module", "imports"), MODULES, ids=IDS)
def test_effects_are_strangers_to_each_other(module: str, imports: set[str]) -> None:
    mine = next((s for s in STRANGERS if module == s or module.startswith(f"{s}.")), None)
    if mine is None:
        return
    for target in imports:
        if target == "daemon.db.records":
            continue
        for other in STRANGERS:
            assert other == mine or not (target == other or target.startswith(f"{other}.")), (
                f"{module} may not know {target}"
            )


def test_a_worker_loads_the_pipeline_and_nothing_of_the_daemon_but_its_own_module() -> None:
    code = (
        "import sys, daemon.executors.worker, pipeline.harmonize\n"
        "print(*sorted(m for m in sys.modules if m.split('.')[0] in"
        " ('daemon', 'sqlalchemy', 'watchdog', 'apscheduler', 'typer', 'rich', 'alembic')))"
    )
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert set(loaded) <= {"daemon", "daemon.executors", "daemon.executors.worker"}


@pytest.mark.parametrize("package", ["daemon", "pipeline"])
def test_nobody_else_installs_a_package_of_our_name(package: str) -> None:
    assert set(packages_distributions()[package]) == {"file-harmonizer"}


@pytest.mark.parametrize(("module", "imports"), MODULES, ids=IDS)
def test_nothing_runs_a_shell_or_evaluates_text(module: str, imports: set[str]) -> None:
    path = ROOT.joinpath(*module.split(".")).with_suffix(".py")
    if not path.exists():
        path = path.with_suffix("") / "__init__.py"
    tree = ast.parse(path.read_text(encoding="utf-8"))
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"eval", "exec"}
    assert not {name.split(".")[0] for name in imports} & {"subprocess", "pickle", "marshal"}
