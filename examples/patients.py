"""Registration exports: one row a patient, with everything that people type into such forms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar

from examples.drafts import Cell, Draft, without_empty
from examples.pen import Dates, Pen, identifier
from examples.table import Fact, Fault, Table, written

_FAMILY = (
    "Allen", "Carter", "Garcia", "Gonzalez", "Nguyen", "O'Brien", "McDonald", "Null", "None",
    "de la Cruz", "van den Berg", "Müller", "Núñez", "Sørensen", "St. John", "Smith-Jones", "Na",
    "Thompson", "Perez", "Okafor", "Šimek", "D’Angelo", "True", "Macdonald", "Lee", "Ng", "Ó Sé",
)  # fmt: skip
_GIVEN = (
    "Jennifer", "Mary", "José", "Zoë", "Renée", "Robert", "Björn", "Nancy", "George", "Dorothy",
    "Matthew", "Kimberly", "Donald", "Françoise", "April", "May", "Jean-Luc", "Anh", "Null", "Ida",
)  # fmt: skip
_STREETS = ("Jefferson Blvd", "Monroe Ln", "Washington Pl", "Clinton St", "Pine Rd", "Cedar Ct")
_CITIES = ("Arlington", "Riverside", "St. Louis", "Winston-Salem", "Cañon City", "Newport")
_STATES = {
    "TX": "Texas", "NM": "New Mexico", "MT": "Montana", "ND": "North Dakota", "MI": "Michigan",
    "RI": "Rhode Island", "NY": "New York", "DC": "District of Columbia", "PR": "Puerto Rico",
}  # fmt: skip
_SEXES = {
    "female": ("Female", "F", "female", "Woman"),
    "male": ("Male", "M", "male"),
    "other": ("Other", "O", "NB", "Non-binary", "non binary", "X"),
    "unknown": ("Unknown", "U", "unk", "unknown"),
}
_BLOOD = {
    "A+": ("A+", "A pos", "A Positive", "a +"),
    "A-": ("A-", "A neg", "A Rh negative"),
    "AB+": ("AB+", "AB Positive"),
    "AB-": ("AB-", "AB Neg", "ab -"),
    "O+": ("O+", "O pos", "O POSITIVE"),
    "O-": ("O-", "O negative", "O Rh Negative"),
}
_ETHNICITIES = {
    "Hispanic or Latino": ("Hispanic or Latino", "Hispanic", "Latina", "Hispanic/Latino"),
    "Not Hispanic or Latino": ("Not Hispanic or Latino", "Non-Hispanic", "not hispanic"),
    "Declined": ("Declined", "Prefer not to say", "Refused"),
    "Unknown": ("Unknown", "UNK", "Not known"),
}
_RACES = {
    "White": ("White", "Caucasian"),
    "Asian": ("Asian",),
    "Black or African American": ("Black or African American", "African-American", "Black"),
    "American Indian or Alaska Native": ("American Indian or Alaska Native", "Alaska Native"),
    "Multiple": ("Multiple", "Two or more races"),
    "Declined": ("Declined", "Patient declined"),
}
_MARITAL = {
    "S": ("Single", "S", "Never married"),
    "M": ("Married", "M"),
    "D": ("Divorced", "D"),
    "W": ("Widowed", "widower", "W"),
    "A": ("Separated",),
    "U": ("Unknown", "UNK"),
}
_COMMENTS = (
    "",
    "",
    "",
    "prefers calls after 5 pm",
    "moved, new address pending; see chart",
    'said "call my sister"',
    "first line\nsecond line, with a comma",
    "interpreter | Spanish",
)


class Patients(Table):
    """Makes registrations."""

    fields = (
        "patient_id", "family_name", "given_name", "middle_name", "birth_date", "death_date", "sex",
        "address_line", "city", "state", "postal_code", "phone", "email", "blood_type", "race",
        "ethnicity", "marital_status", "insurance_type", "insurance_id", "provider_name",
        "provider_id",
    )  # fmt: skip
    columns = (
        "patient_id", "given_name", "middle_name", "family_name", "birth_date", "sex",
        "address_line", "city", "state", "postal_code", "phone", "email", "blood_type", "ethnicity",
        "race", "marital_status", "insurance_type", "insurance_id", "provider_name", "provider_id",
        "comment",
    )  # fmt: skip
    labels: ClassVar[Mapping[str, Sequence[str]]] = {
        "patient_id": ("patient_id", "MRN", "Patient Number"),
        "given_name": ("first_name", "First Name", "Forename"),
        "middle_name": ("middle_name", "Middle Initial"),
        "family_name": ("last_name", "Surname", "LAST NAME"),
        "birth_date": ("date_of_birth", "DOB", "Birth Date"),
        "sex": ("gender", "Sex"),
        "address_line": ("address", "Street Address"),
        "city": ("city", "City"),
        "state": ("state", "State"),
        "postal_code": ("zip_code", "ZIP", "Postal Code"),
        "phone": ("phone_number", "Phone", "Telephone"),
        "email": ("email", "E-Mail"),
        "blood_type": ("blood_type", "Blood Group"),
        "ethnicity": ("ethnicity",),
        "race": ("race",),
        "marital_status": ("marital_status", "Marital Status"),
        "insurance_type": ("insurance_type", "Payer"),
        "insurance_id": ("insurance_id", "Member ID"),
        "provider_name": ("primary_care_provider", "PCP"),
        "provider_id": ("provider_id",),
        "comment": ("comment", "Remarks"),
    }
    faults = (
        Fault("birth_date", "30-02-1985", "impossible-date"),
        Fault("birth_date", "02/31/1985", "impossible-date"),
        Fault("birth_date", "1987-13-01", "impossible-date"),
        Fault("birth_date", "unknown", "type-error"),
        Fault("birth_date", "1965-11-23 23:00", "type-error"),
        Fault("birth_date", "05/1980", "partial-date"),
        Fault("birth_date", "N/A", "required"),
        Fault("birth_date", "2091-04-05", "row-constraint"),
        Fault("birth_date", "1850-01-01", "constraint-error"),
        Fault("sex", "Z9", "code-unknown"),
        Fault("state", "ZZ", "code-unknown"),
        Fault("blood_type", "C+", "code-unknown"),
        Fault("marital_status", "it is complicated", "code-unknown"),
        Fault("postal_code", "2134", "pattern"),
        Fault("email", "jane.doe(at)example.com", "pattern"),
        Fault("patient_id", "", "required"),
        Fault("patient_id", "#12", "pattern"),
        Fault("family_name", " ", "required"),
    )
    rejects_in_100 = 10

    def __init__(self, pen: Pen, total: int) -> None:
        super().__init__(pen, total)
        self._births = Dates(pen)

    def twins(self, index: int) -> list[Draft]:
        """One person twice: in other spellings, or each time with something left out."""
        person = self.fact(index)
        if self.pen.chance.random() < 0.5:
            cells = self.write(person)
            drafts = [_draft(cells), _draft(self._respelled(cells, person))]
        else:
            was_calm, self.pen.calm = self.pen.calm, True
            cells = self.write(person)
            self.pen.calm = was_calm
            drafts = [_draft({**cells, name: ("", "")}) for name in ("phone", "email")]
            for draft in drafts:
                draft.rows = _draft(cells).rows
        for draft in drafts:
            draft.twin = index
        return drafts

    def contradict(self, fact: Fact) -> dict[str, Any]:
        """Another person under the same number."""
        return {**fact, "birth_date": fact["birth_date"] + timedelta(days=400)}

    def _respelled(self, cells: Mapping[str, Cell], person: Fact) -> dict[str, Cell]:
        name = person["family_name"].upper()
        again = {"family_name": self.pen.text(name), "birth_date": self._birth(person)}
        if cells["sex"][1]:
            again["sex"] = self.pen.code(_SEXES[person["sex"]], person["sex"])
        return {**cells, **again}

    def fact(self, index: int, about: str = "") -> dict[str, Any]:
        """One person."""
        del about
        chance = self.pen.chance
        pick = chance.choice
        digits = f"{chance.randrange(2, 10)}{chance.randrange(100):02d}"
        digits += f"{chance.randrange(2, 10)}{chance.randrange(1_000_000):06d}"
        return {
            "patient_id": identifier(index),
            "given_name": pick(_GIVEN),
            "middle_name": pick(("", *"ABCDEFGHJKLMNRST")),
            "family_name": pick(_FAMILY),
            "birth_date": date(1925, 1, 1) + timedelta(days=chance.randrange(36_000)),
            "sex": pick(tuple(_SEXES)),
            "address_line": f"{chance.randrange(1, 9999)} {pick(_STREETS)}",
            "apartment": chance.randrange(1, 40),
            "city": pick(_CITIES),
            "state": pick(tuple(_STATES)),
            "postal_code": f"{chance.randrange(1001, 99950):05d}",
            "phone": digits,
            "email": f"{pick('abcdefghij')}.{pick(('allen', 'Nunez', 'o-brien'))}{index}",
            "blood_type": pick(("", *_BLOOD)),
            "ethnicity": pick(tuple(_ETHNICITIES)),
            "race": pick(tuple(_RACES)),
            "marital_status": pick(tuple(_MARITAL)),
            "insurance_type": pick(("Medicaid", "Medicare", "Private", "Self-pay", "Other")),
            "insurance_id": f"INS-{chance.randrange(1_000_000):06d}",
            "provider_name": f"Dr. {pick(_GIVEN)} {pick(_FAMILY)}",
            "provider_id": f"PROV{chance.randrange(10_000, 100_000)}",
        }

    def write(self, fact: Fact) -> dict[str, Cell]:
        """The person as the registration desk typed it."""
        pen, person = self.pen, fact
        cells = {
            name: pen.text(person[name])
            for name in ("patient_id", "insurance_type", "insurance_id", "provider_id")
        }
        cells |= {
            name: self._name(person[name])
            for name in ("given_name", "middle_name", "family_name", "city", "provider_name")
        }
        cells["birth_date"] = self._birth(person)
        cells["address_line"] = self._address(person["address_line"], person["apartment"])
        cells |= self._codes(person)
        cells["postal_code"] = self._postal_code(person["postal_code"])
        cells["phone"] = self._phone(person["phone"])
        cells["email"] = self._email(person["email"])
        cells["comment"] = (pen.one_of(_COMMENTS), "")
        return cells

    def _birth(self, person: Fact) -> Cell:
        born = person["birth_date"]
        return self.pen.padded(self._births.write(born)), born.isoformat()

    def _name(self, name: str) -> Cell:
        return self.pen.text(name.upper() if self.pen.some(0.04) else name)

    def _address(self, line: str, apartment: int) -> Cell:
        kind = self.pen.chance.random()
        if self.pen.calm or kind < 0.9:
            return self.pen.text(line)
        return self.pen.text(f"{line}{chr(10) if kind < 0.95 else ', '}Apt {apartment}")

    def _codes(self, person: Fact) -> dict[str, Cell]:
        pen = self.pen
        cells = {
            name: pen.missing() if pen.some(0.02) else pen.code(names[person[name]], person[name])
            for name, names in (
                ("sex", _SEXES),
                ("ethnicity", _ETHNICITIES),
                ("race", _RACES),
                ("marital_status", _MARITAL),
            )
        }
        state = person["state"]
        cells["state"] = pen.code((state, state, _STATES[state]), state)
        group = person["blood_type"]
        # no full stop behind a sign: it is the sign that counts
        cells["blood_type"] = (
            (pen.padded(pen.one_of(_BLOOD[group])), group)
            if group
            else (pen.one_of(("", "N/A", "Unknown", "unknown")), "")
        )
        return cells

    def _postal_code(self, code: str) -> Cell:
        more = f"{self.pen.chance.randrange(10_000):04d}"
        kind = self.pen.chance.random()
        if self.pen.calm or kind < 0.8:
            return self.pen.text(code)
        if kind < 0.87:
            return self.pen.padded(f"{code}-{more}"), f"{code}-{more}"
        return (f"{code}{more}", f"{code}-{more}") if kind < 0.95 else (f"{code}.0", code)

    def _phone(self, digits: str) -> Cell:
        area, exchange, line = digits[:3], digits[3:6], digits[6:]
        pen, delivered = self.pen, f"+1{digits}"
        kind = pen.chance.random()
        spelling = pen.one_of(
            (
                f"({area}) {exchange}-{line}",
                f"{area}-{exchange}-{line}",
                f"{area}.{exchange}.{line}",
                digits,
                f"1-{area}-{exchange}-{line}",
                f"+1 {area} {exchange} {line}",
                delivered,
            )
        )
        if pen.calm or kind < 0.88:
            return pen.padded(spelling), delivered
        if kind < 0.91:
            return f"{area}-{exchange}-{line} x12", f"{delivered};ext=12"
        if kind < 0.93:
            return f"{digits}.0", delivered
        if kind < 0.95:
            return "+44 20 7946 0958", "+442079460958"
        return ("unlisted", "unlisted") if kind < 0.97 else pen.missing()

    def _email(self, local: str) -> Cell:
        if self.pen.some(0.1):
            return self.pen.missing()
        domain = self.pen.one_of(("example.com", "Example.COM", "MAIL.example.org"))
        return self.pen.padded(f"{local}@{domain}"), f"{local}@{domain.lower()}"


def _draft(cells: Mapping[str, Cell]) -> Draft:
    row = {name: delivered for name, (_, delivered) in cells.items()}
    return Draft(cells=written(cells), rows=(without_empty(row),))
