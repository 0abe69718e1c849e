"""Every setting, typed, with its default, unit and reason. `config/harmonizer.yaml` shows them all.

Precedence: a value in the environment (HARMONIZER_INTAKE__QUIET_PERIOD_S=5) beats the file, the
file beats the default. Durations end in `_s` (seconds), sizes in `_mb` (1024 * 1024 bytes).
"""

from __future__ import annotations

import difflib
import glob
import os
import re
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

import pipeline
from daemon.errors import SettingsError


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Folders(_Section):
    """Where files live. Relative paths are below `root`; keep all of them on one filesystem."""

    inbox: Path = Field(Path("inbox"), description="People and programs drop files here.")
    outbox: Path = Field(Path("outbox"), description="Deliveries appear here, whole.")
    archive: Path = Field(Path("archive"), description="Every original taken in, bit for bit.")
    error: Path = Field(Path("error"), description="Refused files, each with its REASON.txt.")
    review: Path = Field(Path("review"), description="What waits for a person's answer.")
    work: Path = Field(Path("work"), description="The service's own desk and state; nobody else's.")


class Intake(_Section):
    """When a dropped file counts as finished."""

    scan_interval_s: float = Field(15.0, gt=0, description="Look at the inbox at least this often.")
    quiet_period_s: float = Field(
        2.0, ge=0, description="A file must be unchanged this long where the kernel grants leases."
    )
    no_lease_quiet_period_s: float = Field(
        15.0, ge=0, description="The same, where leases are not to be had (network mounts)."
    )
    empty_grace_s: float = Field(
        300.0, ge=0, description="How long a file of 0 bytes may wait to be filled."
    )
    use_watcher: bool = Field(True, description="Let the kernel's events shorten the wait.")
    use_lease: bool = Field(True, description="Ask the kernel whether a writer has the file open.")
    canary_interval_s: float = Field(
        60.0, gt=0, description="How often to prove that the watcher still sees."
    )
    incomplete_grace_s: float = Field(
        300.0,
        ge=0,
        description="How long a file whose end is missing may wait for it, before TRUNCATED.",
    )
    incomplete_alarm_s: float = Field(
        3600.0,
        gt=0,
        description="Tell of files that wait so long for a marker, checksum or manifest.",
    )
    claim_ahead: int = Field(
        16,
        ge=0,
        description="Files claimed beyond the free workers, more of small ones; the rest waits.",
    )
    min_free_mb: float = Field(
        256.0,
        ge=0,
        description="Take nothing while a disk has less free space (at most a 20th of it).",
    )
    min_free_inodes: int = Field(
        1_000, ge=0, description="The same for how many more files a disk can hold."
    )
    ignore: tuple[str, ...] = Field(
        (), description="Further names to leave alone, as shell patterns (for example '*.bak')."
    )
    marker: str | None = Field(
        None,
        pattern=r"^[^/\x00]{1,255}$",
        description="Name of a file that proves the inbox to be the right one; without it there, "
        "nothing is taken. For inboxes on shares that may be away.",
    )

    @property
    def left_alone(self) -> tuple[str, ...]:
        """Patterns of names that are never taken: those of `ignore`, and the marker."""
        return self.ignore + ((glob.escape(self.marker),) if self.marker else ())


_NAME_PARTS = re.compile(r"\{(name|stem)\}")


class Completeness(_Section):
    """What else must have come before a file of this source counts as whole."""

    marker: str | None = Field(
        None,
        description="Name of the file that says another is whole: '{name}.ok', '{stem}.done'.",
    )
    checksum: Literal["optional", "required", "ignored"] = Field(
        "optional",
        description="labs.csv.sha256 beside labs.csv (.md5, .sha1, .sha512 too): optional means "
        "checked when there is one, required waited for, ignored treated like any file.",
    )
    manifest: str | None = Field(
        None, description="Pattern of files that list what belongs together, such as '*.manifest'."
    )
    give_up_s: float | None = Field(
        None, gt=0, description="Refuse what has waited so long for the rest; empty means never."
    )

    @field_validator("marker")
    @classmethod
    def _marker_names_its_file(cls, marker: str | None) -> str | None:
        """One part of {name} or {stem} and something more, or a marker would be its own file."""
        if marker is not None:
            parts = _NAME_PARTS.findall(marker)
            if len(parts) != 1 or "/" in marker or marker == "{name}":
                raise ValueError("must hold {name} or {stem} once, and more: '{name}.ok'")
        return marker

    @field_validator("manifest")
    @classmethod
    def _manifest_is_one_name(cls, manifest: str | None) -> str | None:
        if manifest is not None and ("/" in manifest or manifest.strip("*?") == ""):
            raise ValueError("must be the pattern of a file's name, such as '*.manifest'")
        return manifest


class Source(_Section):
    """What one sub-folder of the inbox, with all below it, promises. The deepest one counts."""

    path: str = Field(description="The sub-folder, below the inbox; '.' is the inbox itself.")
    quiet_period_s: float | None = Field(
        None, ge=0, description="As intake.quiet_period_s, for this source."
    )
    contract: str | None = Field(
        None, description="The contract of all its files; empty means the columns decide."
    )
    priority: int = Field(0, ge=-100, le=100, description="Higher ones are taken first.")
    complete: Completeness = Completeness()

    @field_validator("path")
    @classmethod
    def _path_is_below_the_inbox(cls, path: str) -> str:
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if path.startswith("/") or ".." in parts:
            raise ValueError("must be a folder below the inbox, such as 'labs/northside'")
        return "/".join(parts) or "."


class Workers(_Section):
    """Where files are harmonized, and what one file may cost."""

    count: int | None = Field(None, ge=1, description="Processes; empty means one per CPU.")
    deadline_s: float = Field(600.0, gt=0, description="Longest time for one attempt.")
    memory_limit_mb: int = Field(2048, ge=256, description="Most memory for one worker.")
    large_file_mb: int = Field(
        64, ge=1, description="Files of this size and more never have all the workers at once."
    )
    tasks_per_worker: int = Field(5_000, ge=1, description="Replace a worker after so many files.")
    max_attempts: int = Field(3, ge=1, description="Attempts before a file is set aside.")
    retry_base_s: float = Field(30.0, ge=0, description="Wait after a failure; doubles each time.")
    retry_cap_s: float = Field(3600.0, ge=0, description="Longest wait between two attempts.")
    executor: Literal["pool", "inline"] = Field(
        "pool", description="pool, or inline: in the daemon itself, for debugging."
    )


class Output(_Section):
    """What a delivery looks like."""

    format: Literal["csv", "parquet"] = Field("csv", description="csv or parquet.")
    changes: Literal["counted", "full"] = Field(
        "counted",
        description="counted: how often cells were changed; full: also each cell, in changes.csv.",
    )
    file_mode: str = Field(
        "0640", pattern=r"^0?[0-7]{3}$", description="Octal mode of published files."
    )
    group: str | None = Field(
        None,
        pattern=r"^[^\s:]+$",
        description="Group of published files and folders, by name or number; empty means that "
        "of the folder they appear in, where it hands one down (setgid).",
    )


class FileLimits(_Section):
    """Safety limits on one file."""

    max_columns: int = Field(2_000, ge=1, description="Most columns.")
    max_cell_bytes: int = Field(1_000_000, ge=1_000, description="Longest cell.")
    max_record_bytes: int = Field(16_000_000, ge=10_000, description="Longest record.")
    max_unpacked_bytes: int = Field(
        20_000_000_000, ge=1_000_000, description="Most bytes a compressed file may unpack to."
    )
    max_unpacked_ratio: int = Field(
        250, ge=10, description="Most bytes one compressed byte may become (checked from 64 MB on)."
    )
    max_members: int = Field(1_000, ge=1, description="Most files in an archive.")
    max_archive_depth: int = Field(3, ge=1, le=10, description="Archives within archives.")


class Logs(_Section):
    """Where log lines go. They hold job ids and numbers, never file names or cell values."""

    level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", description="DEBUG, INFO, WARNING or ERROR."
    )
    format: Literal["console", "json"] = Field(
        "console", description="console, for people, or json: one object a line."
    )
    file: Path | None = Field(None, description="Also write to this file, rotated.")
    rotation: str = Field("20 MB", description="Start a new file at this size or age.")
    retention: str = Field("30 days", description="Delete rotated files after this age.")
    database_retention_days: float = Field(30.0, gt=0, description="Keep log rows this long.")


class Retention(_Section):
    """How long finished things are kept. Empty means for ever."""

    archive_days: float | None = Field(
        None, gt=0, description="Delete archived originals after so many days."
    )
    backup_interval_s: float = Field(86_400.0, gt=0, description="Time between state backups.")
    backups_kept: int = Field(7, ge=1, description="Backups of the state database to keep.")


class Service(_Section):
    """How the daemon behaves as a service."""

    drain_s: float = Field(300.0, ge=0, description="On SIGTERM, wait this long for open attempts.")
    heartbeat_s: float = Field(5.0, gt=0, description="How often the status page is refreshed.")
    umask: str = Field(
        "0027", pattern=r"^0?[0-7]{3}$", description="Octal rights taken from new folders."
    )


class Settings(BaseSettings):
    """The whole configuration. `Settings()` alone is a working one below the current folder."""

    model_config = SettingsConfigDict(
        env_prefix="HARMONIZER_", env_nested_delimiter="__", extra="forbid", frozen=True
    )

    root: Path = Field(Path(), description="The one directory that holds all folders.")
    contracts: Path | None = Field(
        None, description="Folder of *.contract.yaml; empty means the built-in set."
    )
    mappings: Path | None = Field(
        None, description="Folder of confirmed *.mapping.yaml; empty means config/mappings."
    )
    folders: Folders = Folders()
    intake: Intake = Intake()
    sources: tuple[Source, ...] = Field(
        (), description="What senders promise for their sub-folders; see docs/configuration.md."
    )
    workers: Workers = Workers()
    output: Output = Output()
    limits: FileLimits = FileLimits()
    logs: Logs = Logs()
    retention: Retention = Retention()
    service: Service = Service()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments beat the environment, the environment beats the file."""
        return (init_settings, env_settings)

    @field_validator("sources")
    @classmethod
    def _sources_are_named_once(cls, sources: tuple[Source, ...]) -> tuple[Source, ...]:
        paths = [source.path for source in sources]
        twice = sorted({path for path in paths if paths.count(path) > 1})
        if twice:
            raise ValueError(f"these paths are named twice: {', '.join(twice)}")
        return sources

    @model_validator(mode="after")
    def _folders_do_not_overlap(self) -> Settings:
        paths = {name: self.folder(name) for name in Folders.model_fields}
        for name, path in paths.items():
            for other, elsewhere in paths.items():
                if name != other and (path == elsewhere or elsewhere in path.parents):
                    raise ValueError(f"folders.{name} lies inside folders.{other}; keep them apart")
        return self

    def folder(self, name: str) -> Path:
        """Absolute path of one of the folders, with links resolved so that overlaps show."""
        relative: Path = getattr(self.folders, name)
        return (self.root / relative).resolve()

    @property
    def state_path(self) -> Path:
        """The state database."""
        return self.folder("work") / "state" / "harmonizer.db"

    @property
    def contracts_dir(self) -> Path:
        """The folder of the contracts in force: as set, else the built-in set."""
        return self.contracts or Path(pipeline.__file__).parent / "contracts"

    @property
    def mappings_dir(self) -> Path:
        """The folder of the mappings that people confirmed: as set, else in the root."""
        return (self.mappings or self.root / "config" / "mappings").resolve()

    @property
    def worker_count(self) -> int:
        """Worker processes to run: as set, else one per CPU this process may use."""
        return self.workers.count or len(os.sched_getaffinity(0))


def load_settings(config: Path | None = None, root: Path | None = None) -> Settings:
    """Read the settings file (if any), the environment and the defaults.

    A relative `root` in the file is taken from the file's own folder. `root` overrides it.

    Raises:
        SettingsError: with every problem found, each naming its key.
    """
    values = _read_yaml(config) if config else {}
    if config is not None:  # what a file names, it names from where it stands
        base = config.resolve().parent
        values["root"] = base / str(values.get("root", "."))
        for name in ("contracts", "mappings"):
            if values.get(name):
                values[name] = base / str(values[name])
    overrides: dict[str, Any] = {"root": root.resolve()} if root is not None else {}

    class FromFile(Settings):
        @classmethod
        def settings_customise_sources(
            cls, settings_cls: type[BaseSettings], *sources: Any, **named: Any
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return (
                *super().settings_customise_sources(settings_cls, *sources, **named),
                InitSettingsSource(settings_cls, values),
            )

    try:
        return FromFile(**overrides)
    except ValidationError as error:
        problems = [_plain(problem) for problem in error.errors()]
        raise SettingsError(str(config or "the configuration"), problems) from None


def _read_yaml(path: Path) -> dict[str, Any]:
    from ruamel.yaml import YAML  # only who has a file pays for the parser
    from ruamel.yaml.error import YAMLError

    try:
        document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(str(path), [f"cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise SettingsError(str(path), ["not UTF-8 text"]) from None
    except YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or "not YAML: a character that may not be there"
        raise SettingsError(str(path), [f"{where}{problem}"]) from None
    if document is None:
        return {}
    if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
        raise SettingsError(str(path), ["must be a list of 'key: value' lines"])
    return document


def _plain(problem: Any) -> str:
    """One pydantic finding as a sentence that names the key and, for a typo, the nearest key."""
    key = ".".join(str(part) for part in problem["loc"]) or "configuration"
    if problem["type"] != "extra_forbidden":
        return f"{key}: {problem['msg'].removeprefix('Value error, ')}"
    known = _keys_beside(problem["loc"])
    nearest = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1, cutoff=0.5)
    hint = f"did you mean '{nearest[0]}'?" if nearest else f"known here: {', '.join(known)}"
    return f"{key}: unknown key; {hint}"


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Settings
    for part in location[:-1]:
        if isinstance(part, int):
            continue  # the place in a list, whose kind of entry is known by now
        annotation = model.model_fields[part].annotation
        kinds = (annotation, *get_args(annotation))
        model = next(
            (kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)),
            model,
        )
    return list(model.model_fields)
