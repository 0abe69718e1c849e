"""Styles of an OpenDocument spreadsheet: the number format of each cell style.

A format is written here as the code that a workbook of Excel would have for it, so that one module
shows the numbers of all spreadsheets. Source: OpenDocument 1.3 part 3, 16.29 and 19.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pipeline.formats.xmlpull import Attributes

_KINDS = frozenset(
    {
        "number-style",
        "percentage-style",
        "currency-style",
        "date-style",
        "time-style",
        "boolean-style",
        "text-style",
    }
)
_DAY_PARTS = {"year": "yyyy", "month": "mm", "day": "dd", "quarter": "yyyy", "era": "yyyy"}
_DAY_PARTS |= {"day-of-week": "ddd", "week-of-year": "yyyy"}
_CLOCK_PARTS = {"hours": "hh", "minutes": "mm", "seconds": "ss", "am-pm": "AM/PM"}
_BARE = "-()/+: "
_MOST_PLACES = 30


@dataclass(slots=True)
class _CellStyle:
    format: str | None
    parent: str | None


@dataclass(slots=True)
class _Number:
    """`number:number` with the texts between its digits, by how many digits stand behind them."""

    least: int
    decimals: int
    is_grouped: bool
    scale: float
    within: dict[int, str] = field(default_factory=dict)

    def code(self) -> str:
        """As Excel writes it."""
        if self.scale != 1:
            return "General"
        places = max(self.least, *self.within, 1) if self.within else max(self.least, 1)
        digits = ""
        for behind in range(places):
            if behind in self.within:
                digits = _literal(self.within[behind]) + digits
            digits = ("0" if behind < self.least else "#") + digits
        point = "." + "0" * self.decimals if self.decimals else ""
        return ("#,##" if self.is_grouped else "") + digits + point


class OdsStyles:
    """Collects styles from the events of a document; then tells the format of a cell style.

    hidden: names of the styles of sheets that are not shown.
    """

    def __init__(self) -> None:
        self.hidden: set[str] = set()
        self._cells: dict[str, _CellStyle] = {}
        self._default: str | None = None
        self._codes: dict[str, str] = {}
        self._maps: dict[str, list[tuple[str, str]]] = {}
        self._name = ""
        self._kind = ""
        self._parts: list[str] = []
        self._number: _Number | None = None
        self._position = 0
        self._text: list[str] | None = None
        self._style = ""
        self._is_elapsed = False

    def format_of(self, style: str | None) -> str:
        """The number format of a cell style, with those it inherits from."""
        for _ in range(20):
            known = self._cells.get(style or "Default")
            if known is None:
                break
            if known.format is not None:
                return self._code(known.format)
            style = known.parent or ("Default" if style not in (None, "Default") else "\0")
        return self._code(self._default or "")

    def _code(self, name: str) -> str:
        """A number format with those that count for some numbers before it."""
        some = [
            f"[{condition}]{self._codes.get(other, 'General')};"
            for condition, other in self._maps.get(name, ())
        ]
        return "".join(some) + self._codes.get(name, "General")

    def start(self, tag: str, attributes: Attributes) -> None:
        """Open an element."""
        told = {name.rpartition(":")[2]: value for name, value in attributes.items()}
        if tag in _KINDS:
            self._kind, self._name = tag, told.get("name", "")
            self._is_elapsed = told.get("truncate-on-overflow") == "false"
            self._parts = []
        elif tag == "style" and told.get("family") == "table-cell":
            self._cells[told.get("name", "")] = _CellStyle(
                told.get("data-style-name"), told.get("parent-style-name")
            )
        elif tag == "style":
            self._style = told.get("name", "")
        elif tag == "default-style" and told.get("family") == "table-cell":
            self._default = told.get("data-style-name")
        elif tag == "table-properties" and told.get("display") == "false":
            self.hidden.add(self._style)
        elif self._kind:
            self._part(tag, told)

    def text(self, piece: str) -> None:
        """Text counts within the texts of a number format alone."""
        if self._text is not None:
            self._text.append(piece)

    def end(self, tag: str) -> None:
        """Close an element."""
        if tag in _KINDS:
            if self._kind == "date-style" or self._kind == "time-style":
                self._codes[self._name] = "".join(self._parts) or "yyyy-mm-dd"
            elif self._kind == "text-style":
                self._codes[self._name] = "@"
            else:
                self._codes[self._name] = "".join(self._parts) or "General"
            self._kind = ""
        elif tag in ("text", "embedded-text") and self._text is not None:
            said, self._text = "".join(self._text), None
            if tag == "embedded-text" and self._number is not None:
                self._number.within[self._position] = said
            elif tag == "text":
                self._parts.append(_literal(said, is_percent=self._kind == "percentage-style"))
        elif tag == "number" and self._number is not None:
            self._parts.append(self._number.code())
            self._number = None

    def _part(self, tag: str, told: dict[str, str]) -> None:
        """A part of a number format."""
        if tag == "number":
            self._number = _Number(
                least=_count(told.get("min-integer-digits")),
                decimals=_count(told.get("min-decimal-places", told.get("decimal-places"))),
                is_grouped=told.get("grouping") == "true",
                scale=float(told.get("display-factor", 1)),
            )
        elif tag == "embedded-text":
            self._position, self._text = _count(told.get("position")), []
        elif tag == "text":
            self._text = []
        elif tag == "scientific-number":
            self._parts.append("0.00E+00")
        elif tag == "fraction":
            self._parts.append("# ?/?")
        elif tag == "map":
            condition = told.get("condition", "").removeprefix("value()").replace("!=", "<>")
            self._maps.setdefault(self._name, []).append(
                (condition, told.get("apply-style-name", ""))
            )
        elif tag in _DAY_PARTS:
            self._parts.append(_DAY_PARTS[tag])
        elif tag in _CLOCK_PARTS:
            part = _CLOCK_PARTS[tag]
            is_first = self._is_elapsed and "[" not in "".join(self._parts)
            self._parts.append(f"[{part}]" if is_first else part)


def _literal(text: str, *, is_percent: bool = False) -> str:
    """A text as a number format of Excel has it."""
    if is_percent and text.strip() == "%":
        return "%"
    plain = all(letter in _BARE for letter in text)
    return text if plain else '"' + text.replace('"', "") + '"'


def _count(text: str | None) -> int:
    """A number of digits; more than there can be are cut."""
    return min(max(int(text or 0), 0), _MOST_PLACES)
