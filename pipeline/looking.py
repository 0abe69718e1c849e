"""Every column of every batch is shown to its inspector: of a large file, some in a helper process.

Each column has one inspector, in one process, which sees its batches in order. So what is found
does not depend on who does what, nor on whether there is a helper at all.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import replace
from functools import partial
from queue import Queue
from threading import Thread
from typing import Any

import pyarrow as pa

from pipeline import beside
from pipeline.allocators import give_back
from pipeline.beside import Channel, Helper
from pipeline.contract.loading import Contract
from pipeline.faults import without_faults
from pipeline.formats.base import KnownCells, TextBatch
from pipeline.formats.blockrows import BlockRows
from pipeline.inspectors import Inspector, Setting, Settled, settled
from pipeline.keeping import KeepingReader
from pipeline.mapping.sourcewords import SourceWords, cells_in, read_cells
from pipeline.parallel import Crew
from pipeline.shelf import CellFile, NotKept, Places
from pipeline.stopwatch import spent_s

Seen = tuple[KnownCells, pa.StringArray]
"""The cells of a column as any reading of them finds them, and without those at fault."""

_READING = 0.4
"""To read a batch takes so much of what it takes to look at all its columns (measured)."""
_JUDGED = 2  # the batch that tells what each column takes; nothing is set up for it any more
_WAITING = 2  # batches that the helper has been sent and not begun with


class Lookers:
    """Looks at one batch after another. The columns `here` are never looked at elsewhere."""

    def __init__(
        self,
        contract: Contract,
        positions: Mapping[str, int],
        settings: Mapping[str, Setting],
        inspectors: Mapping[str, Inspector],
        here: Collection[str],
    ) -> None:
        self._rules = {
            name: (settings[name].words, contract.missing_values_of(contract.field(name)))
            for name in positions
        }
        self._contract, self._settings = contract, settings
        self._positions = positions
        self._inspectors = inspectors
        self._here = here
        self._batches = 0
        self._crew = Crew()
        self._helper: _ColumnHelper | None = None
        self._open = ExitStack()

    def look(self, batch: TextBatch, reader: object) -> dict[str, Seen]:
        """Look at a batch, and have it kept by a reader that keeps; what was found, if here."""
        self._batches += 1
        there = () if self._helper is None else self._helper.names
        here = [name for name in self._positions if name not in there]
        if self._helper is not None:
            self._helper.show(batch)
        costs: dict[str, float] = {}
        look = partial(self._look, batch, costs)
        may_be_shared = self._batches == _JUDGED and isinstance(reader, KeepingReader)
        alone = may_be_shared or self._helper is not None
        each = map(look, here) if alone else self._crew.each(look, here)
        found = dict(zip(here, each, strict=True))
        if isinstance(reader, KeepingReader):
            known = {self._positions[name]: known for name, (known, _) in found.items()}
            reader.keep(batch, known, [self._positions[name] for name in there])
            if may_be_shared and isinstance(batch.columns, BlockRows):
                self._share(costs, reader)
        return found

    def _look(self, batch: TextBatch, costs: dict[str, float], name: str) -> Seen:
        """Clean one column of a batch and show it to its inspector, which nobody else uses."""
        begun_s = spent_s() if self._batches == _JUDGED else 0.0
        known = cells_in(batch, self._positions[name], *self._rules[name])
        cells = without_faults(known.cells, batch, self._positions[name])
        converted = self._inspectors[name].observe(cells)
        if converted is not None and cells is known.cells:
            known = KnownCells(known.how, known.cells, known.changed, converted)
        if self._batches == _JUDGED:
            costs[name] = spent_s() - begun_s
        return known, cells

    def _share(self, costs: Mapping[str, float], reader: KeepingReader) -> None:
        """Let a helper look at some of the columns from the next batch on."""
        names = _part_of(costs, self._here)
        file = reader.file_for_another() if names else None
        if file is None:
            return
        work = partial(_look_at_columns, [self._column(name) for name in names], file)
        helper = beside.helper(work)
        if helper is not None:
            self._open.enter_context(helper)
            self._helper = _ColumnHelper(helper, names, self._positions, file)

    def _column(self, name: str) -> _Column:
        return name, self._positions[name], *self._rules[name], self._inspectors[name]

    def settle(self, reader: object) -> dict[str, Settled]:
        """What every column has come to, after the last batch; a reader that keeps has it all."""
        found: dict[str, Settled] = {}
        if self._helper is not None:
            found, places = self._helper.finish()
            if isinstance(reader, KeepingReader):
                reader.join(self._helper.file, places)
        if isinstance(reader, KeepingReader):
            reader.whole()
        return {
            name: found[name]
            if name in found
            else settled(inspector, self._contract.field(name), self._settings[name])
            for name, inspector in self._inspectors.items()
        }

    def close(self) -> None:
        """End threads and the helper."""
        self._crew.close()
        self._open.close()
        if self._batches > _JUDGED:
            give_back()


def _part_of(costs: Mapping[str, float], here: Collection[str]) -> tuple[str, ...]:
    """Columns for a helper, so that both sides have about the same to do."""
    own, other = sum(costs.values()) * _READING, 0.0
    own += sum(cost for name, cost in costs.items() if name in here)
    chosen = set()
    for name in sorted(costs.keys() - set(here), key=lambda name: (-costs[name], name)):
        if other < own:
            chosen.add(name)
            other += costs[name]
        else:
            own += costs[name]
    return tuple(name for name in costs if name in chosen)


_Column = tuple[str, int, SourceWords, tuple[str, ...], Inspector]
"""Name, position, words, missing values, and who looks at it."""


class _ColumnHelper:
    """The helper as this process sees it."""

    def __init__(
        self,
        helper: Helper[tuple[dict[str, Settled], Places | None]],
        names: Sequence[str],
        positions: Mapping[str, int],
        file: CellFile,
    ) -> None:
        self._helper = helper
        self._positions = [positions[name] for name in names]
        self.names, self.file = names, file

    def show(self, batch: TextBatch) -> None:
        """Send it its columns; waits while it has enough to do."""
        self._say([batch.columns[at] for at in self._positions])

    def finish(self) -> tuple[dict[str, Settled], Places | None]:
        """What its columns have come to, and where it has put them by."""
        self._say(None)
        return self._helper.answer()

    def _say(self, thing: Any) -> None:
        with suppress(BrokenPipeError):  # why it has ended, its answer tells
            self._helper.channel.send(thing)
            return
        self._helper.answer()


def _look_at_columns(
    columns: Sequence[_Column], file: CellFile, channel: Channel
) -> tuple[dict[str, Settled], Places | None]:
    """The helper's life: look at what arrives, and put it by while there is room."""
    places: list[tuple[int, int]] = []
    is_kept = True
    for cells in _arriving(channel):
        found = {}
        for (_, at, words, missing, inspector), raw in zip(columns, cells, strict=True):
            known = KnownCells((words, missing), *read_cells(raw, words, missing))
            found[at] = replace(known, converted=inspector.observe(known.cells))
        if is_kept:
            try:
                places.append(file.put_by(found))
            except (OSError, NotKept):
                is_kept = False
    settled = {name: inspector.settle() for name, _, _, _, inspector in columns}
    return settled, places if is_kept else None


def _arriving(channel: Channel) -> Any:
    """What is sent, fetched while what came before is worked on; None ends it."""
    waiting: Queue[Any] = Queue(_WAITING)

    def fetch() -> None:
        thing: Any = True
        while thing is not None:
            try:
                thing = channel.receive()
            except EOFError:  # nobody wants the answer any more
                thing = None
            waiting.put(thing)

    Thread(target=fetch, daemon=True).start()
    return iter(waiting.get, None)
