"""What the coordinator's parts share: the store, the spool, the settings and two clocks."""

from __future__ import annotations

from collections.abc import Callable, Container, Hashable
from dataclasses import dataclass, field
from typing import Any

from daemon.db.store import JobStore
from daemon.folders.places import Places
from daemon.folders.spool import Spool
from daemon.inbox.profiles import Profiles, profiles_of
from daemon.settings import Settings

_FIRST_PAUSE_S = 1.0
_LONGEST_PAUSE_S = 60.0


@dataclass(slots=True)
class _Trouble:
    what: str
    since_s: float
    pause_s: float
    again_at_s: float


@dataclass(slots=True)
class Troubles:
    """Things the system refuses just now: each is tried again with growing pauses, and is shown.

    Keys say what was tried; times come from the caller's monotonic clock.
    """

    _by_key: dict[Hashable, _Trouble] = field(default_factory=dict)

    def note(self, key: Hashable, what: str, now_s: float) -> None:
        """Remember a refusal; the next try of `key` waits twice as long as the last one."""
        known = self._by_key.get(key)
        since_s = known.since_s if known else now_s
        pause_s = min(_LONGEST_PAUSE_S, known.pause_s * 2) if known else _FIRST_PAUSE_S
        self._by_key[key] = _Trouble(what, since_s, pause_s, now_s + pause_s)

    def is_pausing(self, key: Hashable, now_s: float) -> bool:
        """True while it is too early to try `key` again."""
        known = self._by_key.get(key)
        return known is not None and now_s < known.again_at_s

    def due(self, kind: str, now_s: float) -> list[Any]:
        """Every x of the troubles (`kind`, x) whose pause is over: to be tried again now."""
        return [
            key[1]
            for key, trouble in self._by_key.items()
            if isinstance(key, tuple) and key[0] == kind and now_s >= trouble.again_at_s
        ]

    def over(self, key: Hashable) -> None:
        """`key` worked, or no longer matters."""
        self._by_key.pop(key, None)

    def why(self, key: Hashable) -> str | None:
        """What is wrong with `key`, if anything."""
        known = self._by_key.get(key)
        return known.what if known else None

    def over_except(self, kind: str, still: Container[object]) -> None:
        """Drop the troubles (`kind`, x) whose x is not in `still`: nobody will try them again."""
        for key in list(self._by_key):
            if isinstance(key, tuple) and key[0] == kind and key[1] not in still:
                del self._by_key[key]

    def next_try_s(self, now_s: float) -> float:
        """When the next pause ends; infinity when none does.

        Pauses that are over do not count: what is tried again was tried then, and some troubles
        (refused settings) only people end. Counting them would keep the loop from sleeping.
        """
        pauses = (t.again_at_s for t in self._by_key.values() if t.again_at_s > now_s)
        return min(pauses, default=float("inf"))

    def shown(self) -> list[tuple[str, float]]:
        """Distinct sentences with the time each began, oldest first."""
        first: dict[str, float] = {}
        for trouble in self._by_key.values():
            first[trouble.what] = min(trouble.since_s, first.get(trouble.what, trouble.since_s))
        return sorted(first.items(), key=lambda item: item[1])


@dataclass(slots=True, kw_only=True)
class Shell:
    """One daemon's effects. `clock` is UTC epoch seconds; `monotonic` never jumps.

    Only `settings` is ever replaced, by a reload.
    """

    store: JobStore
    spool: Spool
    places: Places
    settings: Settings
    clock: Callable[[], float]
    monotonic: Callable[[], float]
    troubles: Troubles = field(default_factory=Troubles)

    @property
    def profiles(self) -> Profiles:
        """What each sub-folder's sender promises, by the settings in force."""
        return profiles_of(self.settings.sources)
