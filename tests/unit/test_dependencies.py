"""What is installed is what was looked at: pinned by hash, and nothing that runs what it reads."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements.lock", "requirements-dev.lock")
SOURCES = sorted([*ROOT.glob("daemon/**/*.py"), *ROOT.glob("pipeline/**/*.py")])

# Whatever turns text or files into actions: shells, and everything that unpickles.
RUNS_TEXT = {"eval", "exec", "compile", "__import__"}
RUNS_PROGRAMS = {
    *("system", "popen", "fork", "forkpty", "execl", "execle", "execlp", "execv", "execve"),
    *("execvp", "execvpe", "spawnl", "spawnv", "spawnve", "posix_spawn", "posix_spawnp"),
}
COPIES_ITSELF = "pipeline/beside.py"  # a fork that never runs another program
UNPICKLES = {"read_pickle", "to_pickle", "unsafe_load", "full_load", "load_module"}
NOT_IMPORTED = {
    *("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve"),
    *("subprocess", "pty", "commands", "popen2", "code", "codeop", "telnetlib", "imp", "runpy"),
}


def tree_of(path: Path) -> ast.AST:
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_source_file_can_run_what_it_reads(path: Path) -> None:
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] not in NOT_IMPORTED
        if isinstance(node, ast.Import):
            assert not {alias.name.split(".")[0] for alias in node.names} & NOT_IMPORTED
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name):
            assert called.id not in RUNS_TEXT
        if isinstance(called, ast.Attribute):
            assert called.attr not in UNPICKLES
            if isinstance(called.value, ast.Name) and called.value.id == "os":
                is_copy = called.attr == "fork" and path == ROOT / COPIES_ITSELF
                assert is_copy or called.attr not in RUNS_PROGRAMS
        for keyword in node.keywords:
            said = keyword.value.value if isinstance(keyword.value, ast.Constant) else None
            assert not (keyword.arg in ("shell", "allow_pickle") and said is True)
            assert not (keyword.arg == "typ" and said in ("unsafe", "base"))


@pytest.mark.parametrize("lock", LOCKS)
def test_every_package_is_pinned_to_one_version_and_its_hashes(lock: str) -> None:
    text = re.sub(r"\\\n\s*", " ", (ROOT / lock).read_text(encoding="utf-8"))
    entries = [line for line in text.splitlines() if line and line.lstrip()[0] not in "#"]
    assert len(entries) > 20
    for entry in entries:
        assert re.match(r"[A-Za-z0-9._-]+(?:\[[\w,-]+\])?==[\w.!+]+ ", entry), entry[:60]
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry[:60]
        assert "http:" not in entry


def plain(name: str) -> str:
    """A package's name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name)


def test_what_the_program_needs_is_in_the_lock() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8").lower()
    locked = re.sub(r"^[\w.-]+", lambda found: plain(found[0]), lock, flags=re.MULTILINE)
    for wanted in project["dependencies"]:
        name = plain(re.split(r"[\[<>=!~; ]", wanted)[0].lower())
        assert re.search(rf"^{re.escape(name)}(?:\[[\w,-]+\])?==", locked, re.MULTILINE), name
        assert re.search(r"[<>=~]", wanted), f"{name} has no bounds"


def test_installing_asks_for_the_hashes() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "--require-hashes" in makefile
    assert "pip-audit" in makefile
