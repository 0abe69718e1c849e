from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from daemon.settings import Settings

UNIT = Path(__file__).resolve().parents[2] / "config" / "systemd" / "harmonizer.service"
PROGRAM = "/opt/harmonizer/.venv/bin/harmonizer"
WORST_EXPOSURE = 2.0

needs_systemd_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def values_of(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text("utf-8"), flags=re.MULTILINE)


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60
    )


@needs_systemd_analyze
def test_systemd_finds_nothing_to_complain_about(tmp_path: Path) -> None:
    here = tmp_path / UNIT.name  # as installed, except that the program is not on this machine
    here.write_text(UNIT.read_text("utf-8").replace(PROGRAM, "/bin/sh"), encoding="utf-8")

    verdict = analyze("verify", "--man=no", str(here))

    assert (verdict.returncode, verdict.stdout, verdict.stderr) == (0, "", "")


@needs_systemd_analyze
def test_the_sandbox_is_tight() -> None:
    report = analyze("security", "--offline=true", "--no-pager", str(UNIT))

    overall = re.search(r"Overall exposure level for \S+: ([0-9.]+)", report.stdout)
    assert overall is not None, report.stdout + report.stderr
    assert float(overall[1]) <= WORST_EXPOSURE


def test_the_unit_runs_the_daemon_on_its_configuration_and_reloads_it() -> None:
    assert values_of("ExecStart") == [f"{PROGRAM} run --config /etc/harmonizer/harmonizer.yaml"]
    assert values_of("ExecReload") == ["/bin/kill -HUP $MAINPID"]
    assert values_of("Type") == ["notify"]


def test_systemd_waits_longer_than_the_daemon_drains() -> None:
    assert int(values_of("TimeoutStopSec")[0]) > Settings().service.drain_s


def test_the_watchdog_allows_for_several_looks_at_the_inbox() -> None:
    assert int(values_of("WatchdogSec")[0]) >= 3 * Settings().intake.scan_interval_s


def test_one_folder_can_be_written_and_one_privilege_is_held() -> None:
    assert values_of("ReadWritePaths") == values_of("RequiresMountsFor") == ["/srv/harmonizer"]
    assert values_of("AmbientCapabilities") == values_of("CapabilityBoundingSet") == ["CAP_LEASE"]


def test_a_wrong_configuration_is_not_tried_again_and_again() -> None:
    assert set(values_of("RestartPreventExitStatus")[0].split()) == {"64", "78"}


def test_files_are_shared_with_the_group_and_nobody_else() -> None:
    assert values_of("UMask") == [Settings().service.umask]
