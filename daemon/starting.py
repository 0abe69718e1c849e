"""What must be right before the service begins: settings that fit, folders, a database, an inbox.

Nobody else may serve the same work folder meanwhile, and what is wrong is told in plain words.
"""

from __future__ import annotations

import difflib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daemon.db.errors import StateError, refusal
from daemon.db.store import JobStore, ReadStore
from daemon.errors import ExitCode, Refused, may_pass
from daemon.folders.groups import GroupUnusable, group_number
from daemon.folders.places import Places
from daemon.folders.spool import Spool, SpoolFolders
from daemon.lock import DaemonLock, LockHeld
from daemon.settings import Folders, Settings
from pipeline.contract.loading import ContractError, load_contracts
from pipeline.errors import PipelineError
from pipeline.mapping.files import load_mapping, load_mappings


def folders_of(settings: Settings) -> SpoolFolders:
    """The spool's folders as absolute paths."""
    names = ("inbox", "outbox", "archive", "error", "review", "work")
    return SpoolFolders(
        **{name: settings.folder(name) for name in names},
        file_mode=int(settings.output.file_mode, 8),
        group=check_group(settings),
    )


@contextmanager
def told_plainly() -> Iterator[None]:
    """What the state database refuses for good ends the program in words, not in a trace."""
    try:
        yield
    except StateError as error:
        raise refusal(error) from None


@contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """Hold the lock on the work folder.

    Raises:
        Refused: another daemon has it, or the folder cannot be used.
    """
    work = settings.folder("work")
    try:
        work.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = DaemonLock(work)
        lock.acquire()
    except LockHeld as held:
        raise Refused(
            ExitCode.LOCKED,
            f"Another daemon (process {held.pid}) already serves {settings.root}.",
            "Stop it first, or give this one another --root.",
        ) from None
    except OSError as error:
        raise Refused(
            ExitCode.UNAVAILABLE if may_pass(error) else ExitCode.CONFIG,
            f"The work folder {work} cannot be used: {error.strerror}.",
            "Check its disk and its permissions with 'harmonizer doctor'.",
        ) from None
    try:
        yield
    finally:
        lock.release()


def check_contracts(settings: Settings) -> list[str]:
    """Names of the contracts in force.

    Raises:
        Refused: one of them has a mistake.
    """
    try:
        names = sorted(load_contracts(settings.contracts_dir))
    except ContractError as error:
        mistakes = "\n".join(f"  - {mistake}" for mistake in error.details)
        raise Refused(
            ExitCode.CONFIG,
            f"The contracts cannot be used:\n{mistakes}",
            "Correct them, then run 'harmonizer config check'.",
        ) from None
    for source in settings.sources:
        if source.contract is not None and source.contract not in names:
            nearest = difflib.get_close_matches(source.contract, names, n=1, cutoff=0.5)
            raise Refused(
                ExitCode.CONFIG,
                f"The source '{source.path}' names the contract '{source.contract}'; "
                "there is none of that name.",
                f"Did you mean '{nearest[0]}'?" if nearest else f"Known: {', '.join(names)}.",
            )
    return names


def check_mappings(settings: Settings) -> list[str]:
    """Sources of the confirmed mappings in force.

    Raises:
        Refused: one of them has a mistake.
    """
    try:
        contracts = load_contracts(settings.contracts_dir)
        known = load_mappings(settings.mappings_dir)
        for mapping in known:
            load_mapping(Path(mapping.source_file), contracts)
    except PipelineError as error:
        mistakes = "\n".join(f"  - {mistake}" for mistake in error.details)
        raise Refused(
            ExitCode.CONFIG,
            f"The confirmed mappings cannot be used:\n{mistakes}",
            f"Correct them in {settings.mappings_dir}, or set their status to retired.",
        ) from None
    return sorted(mapping.source for mapping in known)


def check_group(settings: Settings) -> int | None:
    """Number of the group that published files get; None when none is set.

    Raises:
        Refused: there is no such group, or this user may not give files to it.
    """
    try:
        return group_number(settings.output.group)
    except GroupUnusable as error:
        raise Refused(
            ExitCode.CONFIG,
            f"output.group cannot be used: {error}.",
            "Correct the setting, or make the service's user a member of the group.",
        ) from None


def prepare(settings: Settings, *, adopt: bool = False) -> None:
    """Make the folders and the state database, ready for a first start.

    Raises:
        Refused: the inbox holds somebody's files and `adopt` is off, or a folder cannot be made.
    """
    with locked(settings), told_plainly():
        store = JobStore(settings.state_path, time.time)
        try:
            ready_spool(store, settings, adopt=adopt)
        finally:
            store.close()


def places_of(settings: Settings, store: ReadStore) -> Places:
    """What is known of the mounts of the folders; a store that can write also learns."""
    return Places(
        {name: settings.folder(name) for name in Folders.model_fields},
        marker=settings.intake.marker,
        known=store.meta_get("places"),
        remember=(
            (lambda text: store.meta_set("places", text))
            if isinstance(store, JobStore)
            else lambda text: None
        ),
    )


def ready_spool(store: JobStore, settings: Settings, *, adopt: bool) -> tuple[Spool, Places]:
    """Make the folders and tell which of them are mounted where they belong.

    Raises:
        Refused: the inbox holds somebody's files and `adopt` is off, or a folder cannot be made.
    """
    spool = Spool(folders_of(settings), settings.intake.left_alone)
    places = places_of(settings, store)
    _check_inbox(store, spool, adopt=adopt)
    away = {name for name in Folders.model_fields if not adopt and places.absence(name)}
    try:
        spool.create(away)
        settings.mappings_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(
            ExitCode.UNAVAILABLE if may_pass(error) else ExitCode.CONFIG,
            f"The folder {error.filename} cannot be made: {error.strerror}.",
            "Remove what is in its way, or correct 'folders' in the settings.",
        ) from None
    if adopt:
        places.adopt()
    else:
        places.settle_in()
    return spool, places


def _check_inbox(store: JobStore, spool: Spool, *, adopt: bool) -> None:
    """A first start takes nothing out of a folder that was somebody else's until now."""
    if adopt or store.meta_get("adopted") is not None:
        store.meta_set("adopted", str(spool.folders.inbox))
        return
    scan = spool.scan()
    if scan.candidates:
        raise Refused(
            ExitCode.CONFIG,
            f"{spool.folders.inbox} already holds {len(scan.candidates)} files, and this is the "
            "first start here: every one of them would be moved and processed.",
            "If that is what you want, start once with --adopt.",
        )
    store.meta_set("adopted", str(spool.folders.inbox))
