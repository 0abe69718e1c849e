"""The daemon as an ordinary user: `nobody`, without any privilege, when the tests run as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.system.harness import Service

REPOSITORY = Path(__file__).resolve().parents[2]
USER = "nobody"


def as_nobody(keeping: str = "") -> tuple[str, ...]:
    """A command that gives up everything (but one privilege) and runs the words after it."""
    kept = f",+{keeping}" if keeping else ""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("needs root, and setpriv, to become an ordinary user")
    account = pwd.getpwnam(USER)
    return (
        "setpriv",
        f"--reuid={account.pw_uid}",
        f"--regid={account.pw_gid}",
        "--clear-groups",
        f"--inh-caps=-all{kept}",
        f"--ambient-caps=-all{kept}",
        f"--bounding-set=-all{kept}",
        "--no-new-privs",
    )


def interpreter() -> tuple[str, dict[str, str]]:
    """A Python an ordinary user may run, and the environment that lets it find everything here.

    A test environment often lies in root's own home, where nobody else may look; then the
    system's Python of the same version does.
    """
    packages = str(Path(pytest.__file__).resolve().parents[1])
    environment = {"PYTHONPATH": f"{REPOSITORY}:{packages}", "HOME": "/nonexistent"}
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in (sys.executable, f"/usr/bin/{version}", f"/usr/local/bin/{version}"):
        words = [*as_nobody(), "/bin/sh", "-c", f'exec "{python}" -c "import pandas, sqlalchemy"']
        done = subprocess.run(
            words, env={**os.environ, **environment}, capture_output=True, check=False
        )
        if done.returncode == 0:
            return python, environment
    pytest.skip("no Python here that an ordinary user may run")


@contextmanager
def ordinary_folder() -> Iterator[Path]:
    """A folder that belongs to `nobody`, where everybody may look (pytest's own are root's)."""
    made = Path(tempfile.mkdtemp(prefix="harmonizer-ordinary-"))
    try:
        made.chmod(0o755)
        shutil.chown(made, USER)
        yield made
    finally:
        subprocess.run(["chattr", "-R", "-i", str(made)], capture_output=True, check=False)
        shutil.rmtree(made)


class _Ordinary(Service):
    def __init__(self, root: Path, **settings: str) -> None:
        self.python = settings.pop("PYTHON")
        self.as_user = as_nobody()
        super().__init__(root, **settings)


@contextmanager
def ordinary_service(**settings: str) -> Iterator[Service]:
    """A service whose daemon and commands are run by `nobody`; not started yet."""
    python, environment = interpreter()
    with ordinary_folder() as base:
        made = _Ordinary(base / "root", **{"PYTHON": python, **environment, **settings})
        try:
            yield made
        finally:
            made.end()
