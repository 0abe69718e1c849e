"""The table among the lines of a text: what stands before it, its header, its rows, its end."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress

from pipeline.formats.raw.celltypes import EMPTY, TEXT, WORD, kind_of
from pipeline.formats.raw.columns import ColumnModel, models_of
from pipeline.formats.raw.dialect import RawDialect
from pipeline.formats.raw.headerline import placed
from pipeline.formats.raw.headerrows import header_rows
from pipeline.formats.raw.headers import could_be_names, is_series, judge
from pipeline.formats.raw.heads import (
    below_titles,
    header_below,
    is_rule,
    is_setting,
    leading_comments,
    main_width,
    without_remarks,
)
from pipeline.formats.raw.lexer import Lines
from pipeline.formats.raw.mending import Mender
from pipeline.formats.raw.records import Records
from pipeline.formats.raw.secondtable import second_table, table_below
from pipeline.formats.raw.tableparts import (
    RawTable,
    count_filled,
    gaps,
    is_hollow,
    join,
    mended_names,
    share_of,
    sums,
    trim,
)

_COMMENT = ("#", "//", "--", "%", "!", "*")
_OTHER_QUOTES = frozenset("'`\"")
_AHEAD = 8
_COUNTED = 200
_JUDGED = 200  # records below a line tell whether it is a header


class TableFinder:
    """Finds the table in the records of a text under one dialect."""

    def __init__(
        self, lines: Lines, dialect: RawDialect, start: int = 0, width: int | None = None
    ) -> None:
        self._lines = lines
        self._dialect = dialect
        records = Records.of(dialect, lines, start)
        every, remarks = without_remarks(records, lines, width)
        self._remarks = [line + 1 for line in remarks]
        blanks = every.blanks()
        self._blank = sum(blanks)
        self._records = records = every.without(blanks)
        self._gaps = gaps(blanks)
        self.width = main_width(records) if width is None else width
        self._fits = [many == self.width for many in records.widths]
        for at in records.broken():
            self._fits[at] = False
        self._stray = {at for at, record in records.special.items() if record.stray}
        if width is None:
            comments = leading_comments(records, lines, self.width)
            self._fits[:comments] = [False] * comments

    def find(self, *, headed: bool = True) -> RawTable:
        """The table; every record of the text is accounted for in it.

        headed: whether it may have a header; the middle of a text has none.
        """
        if not self._records:
            return RawTable(0, None, [], [], blank=self._blank)
        first, last = self._extent()
        first = self._without_sparse_head(first, last)
        if headed:
            first = header_below(self._records, self._fits, self._gaps, first, last)
        last, others = self._cut(first, last)
        body = self._body(first, last)
        learn = body[1:] if len(body) > 1 else body
        mender = Mender(self._dialect, learn[-400:] if len(learn) > 3 else learn, self.width)
        table = RawTable(self.width, None, [], [], blank=self._blank, others=others)
        data = self._header(table, first, last, mender) if headed else 0
        table.first_line = self._line(min(data, len(self._records) - 1))
        table.preamble += [self._line(at) for at in range(data) if not self._is_named(table, at)]
        end = self._rows(table, data, last, mender)
        self._after(table, end, mender, others)
        table.comments = sorted([*table.comments, *self._remarks])
        trim(table)
        return table

    def _body(self, first: int, last: int) -> list[list[str]]:
        """The records as wide as the table, those without stray quotes if there are any."""
        cells, fits = self._records.cells[first : last + 1], self._fits[first : last + 1]
        plain = fits
        if self._stray:
            plain = [fit and at not in self._stray for at, fit in enumerate(fits, first)]
        return [*compress(cells, plain)] or [*compress(cells, fits)]

    # where the table begins and ends

    def _extent(self) -> tuple[int, int]:
        fits = self._fits
        if True not in fits:
            return 0, len(fits) - 1
        count = len(fits)
        firsts = (at for at in range(count) if fits[at] and share_of(fits[at : at + _AHEAD]) >= 0.5)
        lasts = (
            at
            for at in range(count - 1, -1, -1)
            if fits[at] and share_of(fits[max(0, at + 1 - _AHEAD) : at + 1]) >= 0.5
        )
        first = next(firsts, fits.index(True))
        return first, max(first, next(lasts, count - 1 - fits[::-1].index(True)))

    def _without_sparse_head(self, first: int, last: int) -> int:
        """Leave out leading records that are as wide as the table and nearly empty."""
        if self.width < 3:
            return first
        titled = below_titles(self._records, self._fits, first, last)
        if titled is not None:
            return titled
        usual = self._usual_filled(first, last)
        while first < last:
            filled = count_filled(self._records.cells[first])
            if filled > 1 or usual < 2.5 or not self._fits[first]:
                break
            first += 1
        return first

    def _cut(self, first: int, last: int) -> tuple[int, list[int]]:
        """The last record before a second table, and the line in which that one begins, if any."""
        found = second_table(self._records, self._fits, self._gaps, first, last)
        return (last, []) if found is None else (found[0] - 1, [self._line(found[1])])

    def _usual_filled(self, first: int, last: int) -> float:
        step = (last - first) // _COUNTED + 1
        counts = sorted(
            count_filled(self._records.cells[at]) for at in range(first, last + 1, step)
        )
        return counts[len(counts) // 2] if counts else 0

    # the header

    def _header(
        self,
        table: RawTable,
        first: int,
        last: int,
        mender: Mender,
    ) -> int:
        """Settle the header; returns the index of the first record of data."""
        rows = self._learned(first, last)
        models = models_of(rows, self.width) if rows else []
        above = self._header_above(first, models, mender) if self.width > 1 else None
        if above is not None:
            table.header_lines, table.header = [self._line(first - 1)], placed(above, models)
            table.closing = len(self._records.cells[first - 1]) == self.width - 1
            return first
        if not self._fits[first]:
            return first
        cells = self._records.cells[first]
        if not rows:
            named = could_be_names(cells)
            table.header_lead = 0.4
            if named:
                table.header, table.header_lines = list(cells), [self._line(first)]
            return first + named
        verdict = judge(cells, models, in_series=all(map(is_series, rows[:3])))
        table.header_lead = verdict.names - verdict.data
        if not (verdict.is_header or (verdict.data == 0 and could_be_names(cells))):
            return first
        count = header_rows(self._records, self._fits, first, last)
        group = [first - 1] if self._is_group_row(first - 1) else []
        places = [*group, *range(first, first + count)]
        table.header_lines = [self._line(at) for at in places]
        table.header = join([self._records.cells[at] for at in places], self.width)
        table.header = mender.unquoted(table.header) or table.header
        return first + count

    def _learned(self, first: int, last: int) -> list[list[str]]:
        head = self._records.cells[first]
        cells = self._records.cells[first + 1 : last + 1]
        rows = [row for row in compress(cells, self._fits[first + 1 : last + 1]) if row != head]
        return rows[3:] if len(rows) > 8 else rows

    def _header_above(
        self, first: int, models: Sequence[ColumnModel], mender: Mender
    ) -> list[str] | None:
        """The header in a damaged line right above the first good row."""
        if first == 0 or self._gaps[first] or not models:
            return None
        record = self._records[first - 1]
        here = judge(self._records.cells[first], models)
        if here.is_header and here.names >= 1 and here.data == 0:
            return None
        names = mended_names(record, self._lines, self._dialect, self.width)
        if names is None or count_filled(names) < 0.6 * self.width or not could_be_names(names):
            return None
        if any("=" in name for name in names):
            return None  # settings, not names
        verdict = judge(names, models)
        return names if verdict.is_header or verdict.data == 0 else None

    def _is_group_row(self, at: int) -> bool:
        """A line above the header that names groups of columns: `,,Blood,,Urine`."""
        if at < 0 or not self._fits[at]:
            return False
        cells = self._records.cells[at]
        if next((cell for cell in cells if cell.strip()), "").rstrip().endswith(":"):
            return False
        return count_filled(cells) >= 2 and could_be_names(cells) and not self._gaps[at + 1]

    def _is_named(self, table: RawTable, at: int) -> bool:
        return self._line(at) in table.header_lines

    # the rows

    def _rows(self, table: RawTable, data: int, last: int, mender: Mender) -> int:
        """Collect the rows; returns the index behind the last one."""
        last = self._without_footer(table, data, last)
        at = data
        for place in self._closer(table, data, last) if data <= last else []:
            self._plain_rows(table, at, place)
            self._row(table, place, data, mender)
            at = place + 1
        self._plain_rows(table, at, last + 1)
        return last + 1

    def _closer(self, table: RawTable, data: int, last: int) -> list[int]:
        """The records from `data` to `last` that may be more, or other, than a row as it stands."""
        cells, fits = self._records.cells[data : last + 1], self._fits[data : last + 1]
        found = {data, *(at for at in self._stray if data <= at <= last)}
        if False in fits:
            found.update(at for at, fit in enumerate(fits, data) if not fit)
        found.update(
            at
            for at, row in enumerate(cells, data)
            if row[0][:1] in _OTHER_QUOTES or row[-1][-1:] in _OTHER_QUOTES
        )
        name = "" if table.header is None else table.header[0].strip()
        firsts = [row[0] for row in cells]
        if table.header is not None and name in "\n".join(firsts):
            found.update(at for at, first in enumerate(firsts, data) if first.strip() == name)
        return sorted(found)

    def _plain_rows(self, table: RawTable, first: int, end: int) -> None:
        """Rows that stand as they are."""
        if first < end:
            table.rows += self._records.cells[first:end]
            table.last_line = self._behind(end - 1)

    def _row(self, table: RawTable, at: int, data: int, mender: Mender) -> None:
        """One record among the rows: a row, or what is none."""
        cells = self._records.cells[at]
        doubted = at in self._stray and mender.doubts(self._records[at])
        if not self._fits[at] or doubted:
            self._odd_row(table, at, mender)
        elif table.header and self._repeats(cells, [name.strip() for name in table.header]):
            table.repeated.append(self._line(at))
        elif at == data and is_rule(cells):
            table.comments.append(self._line(at))
        else:
            found = None
            if cells[0][:1] in _OTHER_QUOTES or cells[-1][-1:] in _OTHER_QUOTES:
                found = mender.unquoted(cells)
            if found is not None:
                table.mended.append(self._line(at))
            table.rows.append(cells if found is None else found)
            table.last_line = self._behind(at)

    @staticmethod
    def _repeats(cells: Sequence[str], names: Sequence[str]) -> bool:
        return cells[0].strip() == names[0] and [cell.strip() for cell in cells] == names

    def _odd_row(self, table: RawTable, at: int, mender: Mender) -> None:
        record = self._records[at]
        text = self._lines.texts[record.line].lstrip()
        if text.startswith(_COMMENT) and len(record.cells) != self.width:
            table.comments.append(self._line(at))
            return
        made = mender.mend(record, self._lines)
        if made.changed:
            table.mended.append(self._line(at))
        if made.given_up:
            table.given_up.append(self._line(at))
        self._add(table, made.cells)
        table.last_line = record.line + record.lines

    def _add(self, table: RawTable, cells: list[str]) -> None:
        while len(cells) > self.width and is_hollow(cells[-1]):
            cells = cells[:-1]
        if len(cells) != self.width:
            table.ragged += 1
        table.rows.append([*cells, *[""] * (self.width - len(cells))])

    def _without_footer(self, table: RawTable, data: int, last: int) -> int:
        """Leave out closing records as wide as the table that are no rows of it."""
        if self.width < 2 or last <= data:
            return last
        rows = range(data, last + 1, (last - data) // _COUNTED + 1)
        least = sorted(count_filled(self._records.cells[at]) for at in rows)[len(rows) // 10]
        end = last
        while end > data and self._is_footer(self._records.cells[end], least):
            end -= 1
        end = min(end, self._before_notes(data, last), self._before_misfits(data, last))
        table.footer += [self._line(at) for at in range(end + 1, last + 1)]
        return end

    def _before_notes(self, data: int, last: int) -> int:
        """Index of the last row before an empty one behind which all records are nearly empty."""
        usual = self._usual_filled(data, last)
        at = last
        while at > data and count_filled(self._records.cells[at]) <= 1:
            if self._gaps[at] and usual >= max(3, 0.5 * self.width):
                return at - 1
            at -= 1
        return last

    def _before_misfits(self, data: int, last: int) -> int:
        """Index of the last row before a blank line behind which no record fits the columns."""
        lowest = max(data + 1, last - _AHEAD)
        gap = next((at for at in range(last, lowest, -1) if self._gaps[at]), None)
        if gap is None:
            return last
        above = [self._records.cells[at] for at in range(max(data, gap - _JUDGED), gap)]
        models = models_of([row for row in above if len(row) == self.width], self.width)
        below = [self._records.cells[at] for at in range(gap, last + 1)]
        return gap - 1 if all(is_setting(cells, models) for cells in below) else last

    def _is_footer(self, cells: Sequence[str], least: int) -> bool:
        first = next((cell.strip() for cell in cells if cell.strip()), "")
        if sums(first):
            return True
        if count_filled(cells) > 1 or least < 2:
            return False
        return self.width > 2 and kind_of(first) in (TEXT, WORD) and cells[0].strip() == first

    def _after(self, table: RawTable, at: int, mender: Mender, others: list[int]) -> None:
        """Tell rows, footnotes and a further table behind the last row of the table's shape."""
        goes_on = not others and not table.footer
        told = set(table.footer)
        if not others:
            found = table_below(self._records, self._fits, at)
            others += [] if found is None else [self._line(found)]
        for index in range(at, len(self._records)):
            line = self._line(index)
            if line in told:
                continue
            if others and line >= others[0]:
                continue
            if goes_on and not self._gaps[index] and self._is_row(index, mender):
                self._odd_row(table, index, mender)
                continue
            goes_on = False
            table.footer.append(line)

    def _is_row(self, at: int, mender: Mender) -> bool:
        record = self._records[at]
        if self.width < 2 or sums(record.cells[0].strip()):
            return False
        cells = mender.mend(record, self._lines).cells
        if len(cells) < 2 or count_filled(cells) < 2:
            return False
        pairs = [
            model.conforms(cell)
            for cell, model in zip(cells, mender.models, strict=False)
            if model.strong is not None and cell.strip() and kind_of(cell) != EMPTY
        ]
        if pairs:
            return sum(pairs) * 2 > len(pairs)
        return abs(len(cells) - self.width) <= 1 and len(cells) > 1

    def _line(self, at: int) -> int:
        return self._records.line[at] + 1

    def _behind(self, at: int) -> int:
        """The last line of a record, 1 for the file's first."""
        special = self._records.special.get(at)
        return self._records.line[at] + (1 if special is None else special.lines)
