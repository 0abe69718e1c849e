"""What the name of a column lets one expect: an identifier, a person's data, a day.

Names only narrow down what values may be taken for, and what of them may be shown; they never make
text into a number.
"""

from __future__ import annotations

import re
import unicodedata

_WORD = re.compile(r"[a-z]+|[0-9]+")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_IDENTIFIER = frozenset({
    "id", "ids", "mrn", "no", "nr", "num", "number", "code", "key", "ref", "reference", "zip",
    "zipcode", "postcode", "plz", "npi", "ssn", "account", "acct", "barcode", "accession", "uid",
    "uuid", "guid", "pid", "icd", "loinc", "cpt", "ndc", "snomed", "patnr", "patientid", "policy",
    "license", "licence",
})  # fmt: skip
_CODE = frozenset({
    "code", "codes", "type", "class", "grade", "stage", "status", "category",
})  # fmt: skip
_PERSONAL = frozenset({
    "surname", "forename", "firstname", "lastname", "fullname", "fname", "lname", "mname",
    "first", "last", "middle", "given", "family", "maiden", "nickname", "initials", "address",
    "addr", "street", "phone", "telephone", "tel", "mobile", "cell", "fax", "email", "mail",
    "ssn", "dob", "birth", "birthdate", "birthday", "birthplace", "death", "zip", "zipcode",
    "postcode", "postal", "plz", "contact", "guardian", "mother", "father", "spouse", "kin",
    "physician", "doctor", "provider", "nurse", "practitioner", "employer", "passport", "license",
    "licence", "vorname", "nachname", "geburtsdatum", "strasse", "telefon",
})  # fmt: skip
_FREE = frozenset({
    "note", "notes", "comment", "comments", "remark", "remarks", "text", "description", "descr",
    "free", "narrative", "message", "history", "impression", "findings", "kommentar", "bemerkung",
})  # fmt: skip
_PATIENT = frozenset({
    "patient", "pat", "mrn", "pid", "member", "subject", "insurance", "medicare", "nhs", "person",
})  # fmt: skip
_NOT_A_PERSON = frozenset({
    "test", "drug", "medication", "med", "product", "unit", "ward", "department", "dept", "lab",
    "file", "item", "field", "column", "device", "procedure", "vital", "code", "generic", "brand",
    "facility", "clinic", "hospital", "organization", "organisation", "company", "event",
    "category", "type", "sign", "analyte", "component", "site", "study", "country", "city",
    "state",
})  # fmt: skip
_PHONE = frozenset({
    "phone", "telephone", "tel", "mobile", "cell", "fax", "telefon", "handy",
})  # fmt: skip
_PLACE = frozenset({
    "zip", "zipcode", "postcode", "postal", "plz",
})  # fmt: skip
_PAST = frozenset({
    "dob", "birth", "birthdate", "birthday", "dod", "death", "deceased",
})  # fmt: skip
_DAY = frozenset({
    "date", "dates", "dt", "day", "time", "datetime", "timestamp", "when", "at", "on", "dob",
    "dod", "birth", "birthday", "birthdate", "since", "until", "start", "end", "datum", "zeit",
})  # fmt: skip


def words_of(label: str) -> tuple[str, ...]:
    """The words of a heading: `PatientID` and `patient_id` have the same."""
    spaced = _CAMEL.sub(" ", label)
    plain = unicodedata.normalize("NFKD", spaced.replace("ß", "ss")).casefold()
    return tuple(_WORD.findall("".join(c for c in plain if not unicodedata.combining(c))))


def is_identifier(words: tuple[str, ...]) -> bool:
    """True for a name that promises identifiers, codes or numbers nobody calculates with."""
    if is_phone(words):
        return False
    if "of" in words[1:]:  # number of visits
        words = words[words.index("of") + 1 :]
    return any(word in _IDENTIFIER for word in words[-1:]) or (
        bool(words) and words[0] in {"mrn", "icd", "icd10", "npi", "ssn", "zip"}
    )


def is_code(words: tuple[str, ...]) -> bool:
    """True for a name that promises a set of codes."""
    return bool(set(words) & _CODE)


def is_personal(words: tuple[str, ...]) -> bool:
    """True for a name that promises data by which a person can be known."""
    found = set(words)
    if found & _PERSONAL:
        return True
    if "name" in found or "names" in found:
        return not found & _NOT_A_PERSON
    return bool(found & _PATIENT) and is_identifier(words)


def is_free_text(words: tuple[str, ...]) -> bool:
    """True for a name that promises sentences."""
    return bool(set(words) & _FREE)


def is_phone(words: tuple[str, ...]) -> bool:
    """True for a name that promises telephone numbers."""
    return bool(set(words) & _PHONE)


def is_postal_code(words: tuple[str, ...]) -> bool:
    """True for a name that promises postal codes, which many people share."""
    return bool(set(words) & _PLACE)


def is_past(words: tuple[str, ...]) -> bool:
    """True for a name that promises days that lie behind, such as births."""
    return bool(set(words) & _PAST)


def is_day(words: tuple[str, ...]) -> bool:
    """True for a name that promises dates or times."""
    return bool(set(words) & _DAY)


def field_name(label: str, position: int, taken: set[str]) -> str:
    """A field name for a heading: small letters, digits and underscores, used only once."""
    words = words_of(label)
    name = "_".join(words)
    if not name:
        name = f"column_{position + 1}"
    elif not name[0].isalpha():
        name = f"c_{name}"
    candidate, number = name, 2
    while candidate in taken:
        candidate, number = f"{name}_{number}", number + 1
    taken.add(candidate)
    return candidate
