"""The job every engine does, as plain facts of the shipped contract `patients`.

Cells are trimmed of all Unicode space, composed (NFC) and rid of what nobody sees; words for no
value become empty; dates become ISO, codes the contract's, phones
E.164, ZIP codes hyphened, mail domains lower-case. A row with a fault is kept out and listed with
its record, line, field and code. Rows of one number that agree are one row, filled from the others;
rows that disagree about the person are kept out. Everything is counted.
"""

from __future__ import annotations

from benchmarks.generate import CODED, FIELDS

TODAY = "2027-01-15"
FIRST_BIRTH = "1900-01-01"
INVISIBLE = (
    "[\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff\x00-\x08\x0e-\x1f\x7f]"
)
"""Characters nobody sees; they are taken out of every cell."""
SPACE = (
    " \t\n\r\x0b\x0c\x85\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009"
    "\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""Characters that are taken away around every cell."""
NULL_WORDS = ("", "N/A", "n/a", "NULL", "null", "-", "--")
MORE_NULL_WORDS = {"blood_type": (*NULL_WORDS, "Unknown", "unknown", "UNKNOWN")}
NAMES = frozenset({"family_name", "given_name", "middle_name"})  # Null is a real surname
CONFLICT = ("family_name", "birth_date", "sex")
DATE_FORMATS = ("%Y-%m-%d", "%m/%d/%Y", "%d-%b-%Y", "%b %d, %Y")
EMAIL = r"^[A-Za-z0-9._%+-]+@(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,63}$"
PATIENT_ID = r"^[A-Za-z0-9][A-Za-z0-9-]{2,31}$"
ZIP = r"^([0-9]{5})-?([0-9]{4})?$"
PHONE = r"^(?:\+?1[-. ]?)?\(?([2-9][0-9]{2})\)?[-. ]?([0-9]{3})[-. ]?([0-9]{4})$"
PARTIAL_DATE = r"^[0-9]{1,2}/[0-9]{4}$"
LOOKS_LIKE_DATE = r"^[0-9]{1,4}[-/][0-9]{1,2}[-/][0-9]{1,4}$"

CODES = {
    name: {
        spelling.lower(): code
        for code, spellings in several.items()
        for spelling in (code, *spellings)
    }
    for name, several in CODED.items()
}
"""Field -> spelling in lower case -> code."""

FIELD_ORDER = {name: place for place, name in enumerate((*FIELDS, ""))}


def null_words(field: str) -> tuple[str, ...]:
    """Words for no value in a field."""
    return ("",) if field in NAMES else MORE_NULL_WORDS.get(field, NULL_WORDS)
