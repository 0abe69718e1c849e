"""Settings: typed, complete, and wrong ones are refused all at once with the key that is meant."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import BaseModel

from daemon.errors import SettingsError
from daemon.settings import Settings, load_settings
from daemon.settings_file import as_yaml, default_text

SHIPPED = Path(__file__).resolve().parents[2] / "config" / "harmonizer.yaml"


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "harmonizer.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_shipped_file_is_the_default_file_and_means_the_defaults() -> None:
    assert SHIPPED.read_text(encoding="utf-8") == default_text(root="..")
    shipped = load_settings(SHIPPED).model_dump()
    defaults = Settings().model_dump()
    assert shipped.pop("root").resolve() == SHIPPED.parents[1]
    defaults.pop("root")
    assert shipped == defaults


def test_every_setting_says_what_it_means() -> None:
    for name, field in Settings.model_fields.items():
        if isinstance(field.default, BaseModel):
            section = type(field.default)
            assert section.__doc__, name
            for key, setting in section.model_fields.items():
                assert setting.description, f"{name}.{key}"
        else:
            assert field.description, name


def test_settings_written_as_yaml_are_read_back_the_same(tmp_path: Path) -> None:
    settings = load_settings(
        written(tmp_path, "intake: {ignore: ['[a].x', '*:']}\nlogs: {file: log}\n")
    )
    again = written(tmp_path, as_yaml(settings.model_dump(mode="json")))
    assert load_settings(again).model_dump() == settings.model_dump()


def test_every_mistake_is_named_at_once_with_the_nearest_key(tmp_path: Path) -> None:
    path = written(tmp_path, "intake: {quiet_period: 5, scan_interval_s: -1}\nwrokers: 3\n")
    with pytest.raises(SettingsError) as caught:
        load_settings(path)
    assert caught.value.problems == [
        "intake.scan_interval_s: Input should be greater than 0",
        "intake.quiet_period: unknown key; did you mean 'quiet_period_s'?",
        "wrokers: unknown key; did you mean 'workers'?",
    ]


def test_text_that_is_not_yaml_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, "intake:\n  quiet_period_s: [2\n"))
    assert "line" in caught.value.problems[0]


def test_the_environment_beats_the_file_and_an_argument_beats_both(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, "root: data\nworkers: {count: 5, max_attempts: 2}\n")
    monkeypatch.setenv("HARMONIZER_WORKERS__MAX_ATTEMPTS", "7")
    settings = load_settings(path)
    assert (settings.workers.count, settings.workers.max_attempts) == (5, 7)
    assert settings.root == tmp_path / "data"
    assert load_settings(path, root=tmp_path / "other").root == tmp_path / "other"


@pytest.mark.parametrize(
    ("folders", "inner"),
    [
        ("{outbox: inbox/out}", "outbox"),
        ("{archive: inbox}", "archive"),
        ("{inbox: work/inbox}", "inbox"),
    ],
)
def test_folders_that_overlap_are_refused(tmp_path: Path, folders: str, inner: str) -> None:
    with pytest.raises(SettingsError, match=f"folders.{inner} lies inside|keep them apart"):
        load_settings(written(tmp_path, f"folders: {folders}\n"))


def test_a_link_does_not_hide_an_overlap(tmp_path: Path) -> None:
    (tmp_path / "inbox").mkdir()
    (tmp_path / "elsewhere").symlink_to(tmp_path / "inbox")
    with pytest.raises(SettingsError, match="keep them apart"):
        load_settings(written(tmp_path, "folders: {outbox: elsewhere}\n"))


@pytest.mark.parametrize("text", ["a\x00b: 1\n", "1: 2\n", "- 1\n", "intake: [1\n", "!!x y: 1\n"])
def test_a_file_that_holds_no_settings_is_refused_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(SettingsError):
        load_settings(written(tmp_path, text))


SOURCES = """
sources:
  - path: labs/northside/
    quiet_period_s: 5
    contract: lab_results
    priority: 10
    complete: {marker: "{name}.ok", checksum: required, manifest: "*.manifest", give_up_s: 3600}
  - path: .
    complete: {checksum: ignored}
"""


def test_what_a_sender_promises_is_set_for_his_sub_folder(tmp_path: Path) -> None:
    north, inbox = load_settings(written(tmp_path, SOURCES)).sources
    assert (north.path, north.quiet_period_s, north.priority) == ("labs/northside", 5, 10)
    assert (north.contract, north.complete.marker) == ("lab_results", "{name}.ok")
    assert (inbox.path, inbox.complete.checksum, inbox.contract) == (".", "ignored", None)


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        (
            "{path: a, quiet_period: 5}",
            "0.quiet_period: unknown key; did you mean 'quiet",
        ),
        (
            "{path: a, complete: {makrer: x}}",
            "0.complete.makrer: unknown key; did you mean 'ma",
        ),
        ("{path: /a}", "0.path: must be a folder below the inbox"),
        ("{path: ../a}", "0.path: must be a folder below the inbox"),
        ("{path: a, complete: {marker: ready}}", "0.complete.marker: must hold {name} or {stem}"),
        ("{path: a, complete: {marker: '{name}'}}", "0.complete.marker: must hold {name}"),
        ("{path: a, complete: {manifest: '*'}}", "0.complete.manifest: must be the pattern"),
        ("{path: a, complete: {checksum: always}}", "0.complete.checksum: Input should be"),
        ("{path: a}, {path: a/}", ": these paths are named twice: a"),
    ],
)
def test_a_mistake_about_a_source_is_named_where_it_stands(
    tmp_path: Path, source: str, problem: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(written(tmp_path, f"sources: [{source}]\n"))
    [found] = caught.value.problems
    assert found.startswith(f"sources{'.' if problem[0] != ':' else ''}{problem}")
