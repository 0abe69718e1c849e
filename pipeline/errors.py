"""Every way a file or a row can be refused, as data.

A code is an API: dashboards group by it and people search for it. Codes are added, never renamed.
Notes written beside a code name columns, counts and positions, never cell values.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class FileCode(StrEnum):
    """Why a whole file was refused. The error folder's name ends with it."""

    EMPTY = "EMPTY"
    UNSUPPORTED = "UNSUPPORTED"
    ENCODING = "ENCODING"
    TRUNCATED = "TRUNCATED"
    SPLIT = "SPLIT"
    CHECKSUM = "CHECKSUM"
    INCOMPLETE = "INCOMPLETE"
    UNPAIRED = "UNPAIRED"
    LAYOUT_UNCLEAR = "LAYOUT_UNCLEAR"
    HEADER_MISSING = "HEADER_MISSING"
    HEADER_MISMATCH = "HEADER_MISMATCH"
    SCHEMA_UNKNOWN = "SCHEMA_UNKNOWN"
    SCHEMA_AMBIGUOUS = "SCHEMA_AMBIGUOUS"
    REQUIRED_MISSING = "REQUIRED_MISSING"
    COLUMN_CONFLICT = "COLUMN_CONFLICT"
    COLUMN_MISFIT = "COLUMN_MISFIT"
    COLUMN_NEW = "COLUMN_NEW"
    DATE_AMBIGUOUS = "DATE_AMBIGUOUS"
    NUMBER_AMBIGUOUS = "NUMBER_AMBIGUOUS"
    TIMEZONE_UNKNOWN = "TIMEZONE_UNKNOWN"
    UNIT_MISSING = "UNIT_MISSING"
    CODES_UNKNOWN = "CODES_UNKNOWN"
    VALUES_UNREADABLE = "VALUES_UNREADABLE"
    TEXT_DAMAGED = "TEXT_DAMAGED"
    FOOTER_UNCLEAR = "FOOTER_UNCLEAR"
    LAYOUT_UNKNOWN = "LAYOUT_UNKNOWN"
    LAYOUT_CHANGED = "LAYOUT_CHANGED"
    ROWS_REJECTED = "ROWS_REJECTED"
    CORRECTION_MISFIT = "CORRECTION_MISFIT"
    LIMIT_EXCEEDED = "LIMIT_EXCEEDED"
    CONTRACT_INVALID = "CONTRACT_INVALID"
    SYMLINK = "SYMLINK"
    SPECIAL = "SPECIAL"
    UNREADABLE = "UNREADABLE"
    TAMPERED = "TAMPERED"
    INPUT_MISSING = "INPUT_MISSING"
    INPUT_CHANGED = "INPUT_CHANGED"
    STORAGE = "STORAGE"
    POISON_TIMEOUT = "POISON_TIMEOUT"
    POISON_MEMORY = "POISON_MEMORY"
    POISON_CRASH = "POISON_CRASH"
    INTERNAL = "INTERNAL"


@dataclass(frozen=True, slots=True)
class CodeText:
    """What a code means, in one plain sentence, and what the person should do next."""

    meaning: str
    advice: str


FILE_CODES: dict[FileCode, CodeText] = {
    FileCode.EMPTY: CodeText(
        "The file has no data rows.",
        "Check the export that produced it and drop the file again.",
    ),
    FileCode.UNSUPPORTED: CodeText(
        "The content is not a kind of file that can be read here.",
        "Export the table as CSV (comma, semicolon, tab or bar separated) and drop that.",
    ),
    FileCode.ENCODING: CodeText(
        "The text cannot be decoded without damaging characters.",
        "Save the file again as UTF-8 (in Excel: 'CSV UTF-8') and drop it again.",
    ),
    FileCode.TRUNCATED: CodeText(
        "The file ends in the middle of a record, as an interrupted upload does.",
        "Send the whole file again.",
    ),
    FileCode.SPLIT: CodeText(
        "The file is the continuation of one that was taken before under the same name.",
        "Send the whole file again, under one name and in one go; what was made of its first part "
        "is not all of it.",
    ),
    FileCode.CHECKSUM: CodeText(
        "The file's bytes are not those that its checksum file, marker or manifest names.",
        "Send the file and its checksum again. If you changed the file on purpose, remove the "
        "checksum file that lies beside it.",
    ),
    FileCode.INCOMPLETE: CodeText(
        "The marker, checksum or manifest that must come with the file never came.",
        "Ask the sender whether the file is whole; then send it again with what was missing.",
    ),
    FileCode.UNPAIRED: CodeText(
        "A marker, checksum or manifest came, and the files it belongs to never did.",
        "Send the files it belongs to, and it again; or leave it here.",
    ),
    FileCode.LAYOUT_UNCLEAR: CodeText(
        "The file can be split into columns in more than one equally good way, or in none.",
        "Save it with one clear separator and quotes around text that contains it.",
    ),
    FileCode.HEADER_MISSING: CodeText(
        "The first line looks like data, not like column names.",
        "Add a first line with the column names.",
    ),
    FileCode.HEADER_MISMATCH: CodeText(
        "The rows do not have as many cells as the header has names.",
        "Make the header and the rows agree, then drop the file again.",
    ),
    FileCode.SCHEMA_UNKNOWN: CodeText(
        "The columns fit none of the known contracts.",
        "Compare the column names with the contracts; add aliases there or rename the columns.",
    ),
    FileCode.SCHEMA_AMBIGUOUS: CodeText(
        "The columns fit more than one contract equally well.",
        "Rename the columns so that only one contract fits.",
    ),
    FileCode.REQUIRED_MISSING: CodeText(
        "A column that the contract requires is not in the file.",
        "Add the column, or add its name as an alias in the contract.",
    ),
    FileCode.COLUMN_CONFLICT: CodeText(
        "Two columns of the file claim the same field of the contract.",
        "Remove or rename one of the two columns.",
    ),
    FileCode.COLUMN_MISFIT: CodeText(
        "The values of a column do not fit the field its name stands for.",
        "Check whether columns were swapped or shifted, correct them and drop the file again.",
    ),
    FileCode.COLUMN_NEW: CodeText(
        "The file has a column the contract does not know, and its policy is to refuse that.",
        "Add the column to the contract, or remove it from the file.",
    ),
    FileCode.DATE_AMBIGUOUS: CodeText(
        "Nothing in the file proves which number is the day and which is the month.",
        "Write the dates as YYYY-MM-DD, or send a file whose dates settle the order.",
    ),
    FileCode.NUMBER_AMBIGUOUS: CodeText(
        "Nothing in the file proves whether a sign is the decimal sign or groups thousands.",
        "Write the numbers without a thousands sign and with a decimal point.",
    ),
    FileCode.TIMEZONE_UNKNOWN: CodeText(
        "Nothing says in which time zone the times were noted.",
        "Say which zone is meant, or send times with their offset, such as 10:00-05:00.",
    ),
    FileCode.UNIT_MISSING: CodeText(
        "A measured value comes without its unit, and the value alone does not tell it.",
        "Add a unit column, or fill it for every measured value.",
    ),
    FileCode.CODES_UNKNOWN: CodeText(
        "More values of a coded column than may be are not in its code set.",
        "Add the spellings as aliases in the contract, or correct them in the file.",
    ),
    FileCode.VALUES_UNREADABLE: CodeText(
        "More values of a column than may be cannot be read as the field's type.",
        "Look at the column: say that such rows are to be rejected, or what the column is.",
    ),
    FileCode.TEXT_DAMAGED: CodeText(
        "The text was decoded wrongly before it came here: é stands there as Ã©.",
        "Export the file again from its source, as UTF-8.",
    ),
    FileCode.FOOTER_UNCLEAR: CodeText(
        "The last records look like a total or an end mark, not like data.",
        "Say whether they are to be dropped from every file of this source.",
    ),
    FileCode.LAYOUT_UNKNOWN: CodeText(
        "Nobody has confirmed yet what the columns of this file mean.",
        "Look at the proposed mapping, correct it where needed and confirm it.",
    ),
    FileCode.LAYOUT_CHANGED: CodeText(
        "The columns are called as before, but their values are written in another way.",
        "Ask the source what changed; then confirm the mapping anew.",
    ),
    FileCode.ROWS_REJECTED: CodeText(
        "More rows were rejected than the contract allows.",
        "Open rejects.csv beside this file: it names each row, field and reason.",
    ),
    FileCode.CORRECTION_MISFIT: CodeText(
        "These are corrected rejects, and they do not fit the file they were kept out of.",
        "Correct only cells, in a copy of rejects.csv; leave its header, its record numbers and "
        "its job as they are. If the job's original is no longer kept, send the whole file again.",
    ),
    FileCode.LIMIT_EXCEEDED: CodeText(
        "The file exceeds a safety limit on columns, cell size or record length.",
        "Split the file, or ask the administrator to raise the limit.",
    ),
    FileCode.CONTRACT_INVALID: CodeText(
        "A contract or mapping file in the configuration has a mistake.",
        "The administrator should run 'harmonizer config check'.",
    ),
    FileCode.SYMLINK: CodeText(
        "A link was dropped, not a file; links are never followed.",
        "Copy the file itself into the inbox.",
    ),
    FileCode.SPECIAL: CodeText(
        "A pipe, socket or device was dropped, not a file.",
        "Copy an ordinary file into the inbox.",
    ),
    FileCode.UNREADABLE: CodeText(
        "The service is not allowed to read the file.",
        "Give the service's user read permission and drop the file again.",
    ),
    FileCode.TAMPERED: CodeText(
        "The file was changed or removed while the service held it.",
        "Drop the file again, and leave the work folder to the service.",
    ),
    FileCode.INPUT_MISSING: CodeText(
        "The claimed file is no longer where the service put it.",
        "Drop the file again, and leave the work folder to the service.",
    ),
    FileCode.INPUT_CHANGED: CodeText(
        "The file was written to while it was read.",
        "It is read again by itself once it has come to rest; let the sender close it.",
    ),
    FileCode.STORAGE: CodeText(
        "Reading or writing failed, as it does on a full or failing disk.",
        "It is tried again by itself; if it persists, the administrator should check the disk.",
    ),
    FileCode.POISON_TIMEOUT: CodeText(
        "Processing ran past its time limit every time it was tried.",
        "Split the file, or ask the administrator to raise workers.deadline_s.",
    ),
    FileCode.POISON_MEMORY: CodeText(
        "Processing needed more memory than it may use every time it was tried.",
        "Split the file, or ask the administrator to raise workers.memory_limit_mb.",
    ),
    FileCode.POISON_CRASH: CodeText(
        "Processing this file ended its worker every time it was tried.",
        "Report it with the file's job number; the other files are not affected.",
    ),
    FileCode.INTERNAL: CodeText(
        "The program met a mistake of its own.",
        "Report it with the file's job number; the original is kept here unchanged.",
    ),
}


class RowCode(StrEnum):
    """Why a row was rejected, or (as a warning) marked. Frictionless' words where it has one."""

    MISSING_CELL = "missing-cell"
    EXTRA_CELL = "extra-cell"
    BLANK_ROW = "blank-row"
    UNBALANCED_QUOTE = "unbalanced-quote"
    ENCODING_ERROR = "encoding-error"
    REQUIRED = "required"
    TYPE_ERROR = "type-error"
    CONSTRAINT_ERROR = "constraint-error"
    PATTERN = "pattern"
    IMPOSSIBLE_DATE = "impossible-date"
    AMBIGUOUS_TIME = "ambiguous-time"
    NONEXISTENT_TIME = "nonexistent-time"
    TIMEZONE_MISSING = "timezone-missing"
    PARTIAL_DATE = "partial-date"
    SERIAL_DATE = "serial-date"
    CODE_UNKNOWN = "code-unknown"
    CODE_AMBIGUOUS = "code-ambiguous"
    UNIT_MISSING = "unit-missing"
    UNIT_UNKNOWN = "unit-unknown"
    UNIT_NOT_CONVERTIBLE = "unit-not-convertible"
    UNIT_INFERRED = "unit-inferred"
    PANEL_RESULT = "panel-result"
    PHONE_NOT_VALID = "phone-not-valid"
    PHONE_NOT_POSSIBLE = "phone-not-possible"
    PHONE_REPAIRED = "phone-repaired"
    CHECK_DIGIT = "check-digit"
    PRECISION_LOST = "precision-lost"
    MIXED_SCRIPT = "mixed-script"
    MOJIBAKE = "mojibake"
    ROW_CONSTRAINT = "row-constraint"
    PRIMARY_KEY = "primary-key"
    UNIQUE_ERROR = "unique-error"
    KEY_CONFLICT = "key-conflict"
    FOREIGN_KEY = "foreign-key"


ROW_CODES: dict[RowCode, str] = {
    RowCode.MISSING_CELL: "The row has fewer cells than the header.",
    RowCode.EXTRA_CELL: "The row has more cells than the header.",
    RowCode.BLANK_ROW: "The row says nothing: each of its cells is a word for no value.",
    RowCode.UNBALANCED_QUOTE: "A quote is opened and never closed as it should be.",
    RowCode.ENCODING_ERROR: "The row has bytes that are not text in the file's encoding.",
    RowCode.REQUIRED: "The field must have a value and has none.",
    RowCode.TYPE_ERROR: "The value cannot be read as the field's type.",
    RowCode.CONSTRAINT_ERROR: "The value is outside what the contract allows.",
    RowCode.PATTERN: "The value does not have the form the contract asks for.",
    RowCode.IMPOSSIBLE_DATE: "The date is not in the calendar.",
    RowCode.AMBIGUOUS_TIME: "The local time happened twice, when clocks were set back.",
    RowCode.NONEXISTENT_TIME: "The local time never was, when clocks were set forward.",
    RowCode.TIMEZONE_MISSING: "The time names no zone that is known, and the contract gives none.",
    RowCode.PARTIAL_DATE: "The date is not whole: its day, or the needed time of day, is missing.",
    RowCode.SERIAL_DATE: "Among dates stood a plain number; it was read as a spreadsheet's day.",
    RowCode.CODE_UNKNOWN: "The value is in no code set of the field.",
    RowCode.CODE_AMBIGUOUS: "The value can mean more than one code.",
    RowCode.UNIT_MISSING: "The value has no unit and needs one.",
    RowCode.UNIT_UNKNOWN: "The unit's spelling is not known.",
    RowCode.UNIT_NOT_CONVERTIBLE: "No way from the given unit to the field's unit is known.",
    RowCode.UNIT_INFERRED: "The unit was missing; the value fits only one.",
    RowCode.PANEL_RESULT: "The result stands under the name of a group of tests; kept as it came.",
    RowCode.PHONE_NOT_VALID: "The telephone number is not one that is assigned.",
    RowCode.PHONE_NOT_POSSIBLE: "The text cannot be a telephone number; it is kept as it stood.",
    RowCode.PHONE_REPAIRED: "The telephone number had become a decimal number; it was turned back.",
    RowCode.CHECK_DIGIT: "The identifier's check digit is wrong.",
    RowCode.PRECISION_LOST: "The number has more digits than a spreadsheet keeps.",
    RowCode.MIXED_SCRIPT: "Letters of two alphabets that look alike stand in one identifier.",
    RowCode.MOJIBAKE: "The text was decoded wrongly before it came here.",
    RowCode.ROW_CONSTRAINT: "The row breaks a rule of the contract.",
    RowCode.PRIMARY_KEY: "The row's key is already taken by an earlier row.",
    RowCode.UNIQUE_ERROR: "The value must be unique and is not.",
    RowCode.KEY_CONFLICT: "One key stands for two different persons or results; all are kept out.",
    RowCode.FOREIGN_KEY: "The row refers to something that was not delivered.",
}


class PipelineError(Exception):
    """A refusal with a stable code.

    `note` says where and why in one sentence; it is safe to log and holds no cell values.
    `details` are further lines of the same kind, one for each further finding.
    """

    def __init__(self, code: FileCode, note: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(code, note, details)  # args rebuild the exception after pickling
        self.code = code
        self.note = note
        self.details = details

    def __str__(self) -> str:
        return f"[{self.code}] {self.note}"


class ContentError(PipelineError):
    """The file itself is at fault; trying again cannot help."""


class TransientError(PipelineError):
    """The surroundings are at fault; trying again may help."""


_MAX_FRAMES = 20  # of each error, the innermost ones: a recursion has a thousand


def chain_of(error: BaseException) -> Iterator[BaseException]:
    """The error, then what it was raised from or during, outermost first, each once."""
    seen: set[int] = set()
    following: BaseException | None = error
    while following is not None and id(following) not in seen:
        seen.add(id(following))
        yield following
        cause = following.__cause__
        following = cause if cause is not None else following.__context__


def trace_of(error: BaseException) -> tuple[str, ...]:
    """Where an error came from, as `file:line:function` lines, the innermost frame last.

    Its message is left out, and so are source lines and locals: pandas and pyarrow quote the cell
    they stumbled over. An error it was raised from follows after a line `from <type>`.
    """
    lines: list[str] = []
    for link in chain_of(error):
        if link is not error:
            lines.append(f"from {type(link).__qualname__}")
        frames: deque[str] = deque(maxlen=_MAX_FRAMES)
        step = link.__traceback__
        while step is not None:
            code = step.tb_frame.f_code
            frames.append(f"{short_path(code.co_filename)}:{step.tb_lineno}:{code.co_qualname}")
            step = step.tb_next
        lines.extend(frames)
    return tuple(lines)


def short_path(source_file: str) -> str:
    """A Python source file's path below the folder it was imported from."""
    roots = [root.rstrip("/") + "/" for root in sys.path if root.startswith("/")]
    inside = [root for root in roots if source_file.startswith(root)]
    return source_file.removeprefix(max(inside, key=len, default=""))
