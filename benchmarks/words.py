"""The words registration exports are made of: what is meant, and how people write it."""

from __future__ import annotations

FAMILY_STEMS = (
    "Allen", "Carter", "Garcia", "Gonzalez", "Nguyen", "O'Brien", "McDonald", "de la Cruz",
    "van den Berg", "Müller", "Núñez", "Sørensen", "St. John", "Thompson", "Perez", "Okafor",
    "Šimek", "Macdonald", "Lee", "Ng", "Abara", "Hoffman", "Silva", "Kowalski", "Rossi", "Chen",
    "Watanabe", "Haddad", "Petrov", "Johnson", "Williams", "Brown", "Davis", "Miller", "Wilson",
)  # fmt: skip
FAMILY_ENDS = (
    "", "", "", "son", "-Smith", "-Jones", "man", "sen", " Jr.", "ez", "berg", "ton", "well", "by",
    "-Null", "ford", "field", "wood", "ley", "er", "-Lopez", "-Kim", "-Ali", "-Fox", "-Bauer",
)  # fmt: skip
GIVEN = (
    "Jennifer", "Mary", "José", "Zoë", "Renée", "Robert", "Björn", "Nancy", "George", "Dorothy",
    "Matthew", "Kimberly", "Donald", "Françoise", "April", "May", "Jean-Luc", "Anh", "Null", "Ida",
    "James", "Linda", "Michael", "Barbara", "William", "Susan", "David", "Jessica", "Richard",
    "Sarah", "Joseph", "Karen", "Thomas", "Lisa", "Charles", "Betty", "Daniel", "Sandra", "Mark",
    "Ashley", "Paul", "Emily", "Steven", "Donna", "Andrew", "Michelle", "Kenneth", "Carol",
)  # fmt: skip
MIDDLE = ("", "", "T", "K", "Y", "I", "A.", "J.", "Marie", "Lee", "Ann")
STREETS = (
    "Jefferson Blvd", "Monroe Ln", "Washington Pl", "Clinton St", "Pine Rd", "Cedar Ct",
    "Railroad Ave", "2nd Street", "Lake Shore Drive", "Oak Hill Way", "County Road 12", "Elm St",
)  # fmt: skip
BEHIND_STREET = ("", "", "", "", "", "", "", "", "", ", Apt 4", ", Suite 200", " #12", ' "rear"')
CITIES = (
    "Arlington", "Riverside", "St. Louis", "Winston-Salem", "Cañon City", "Newport", "Burlington",
    "Manchester", "Springfield", "Portland", "Greenville", "Franklin", "Clinton", "Salem",
)  # fmt: skip
INSURANCE = ("Medicaid", "Medicare", "Self-pay", "Private", "Other", "Blue Cross, PPO")
MAIL_HOSTS = ("example.com", "mail.example.org", "clinic.example.net", "inbox.example.edu")

# What a coded field means -> how it is written. The first spelling is the usual one.
SEX = {
    "female": ("Female", "F", "female", "FEMALE", "Woman"),
    "male": ("Male", "M", "male", "m"),
    "other": ("Other", "O", "Non-binary", "X"),
    "unknown": ("Unknown", "U", "unk"),
}
STATE = {
    "TX": ("TX", "Texas", "tx", "TEXAS"),
    "NM": ("NM", "New Mexico"),
    "MT": ("MT", "Montana", "mt"),
    "ND": ("ND", "North Dakota", "N.D."),
    "MI": ("MI", "Michigan"),
    "RI": ("RI", "Rhode Island", "R.I."),
    "NY": ("NY", "New York", "N.Y.", "ny"),
    "DC": ("DC", "District of Columbia"),
    "CA": ("CA", "California"),
    "WA": ("WA", "Washington"),
}
BLOOD = {
    "A+": ("A+", "A pos", "A Positive"),
    "A-": ("A-", "A neg", "A Rh negative"),
    "AB+": ("AB+", "AB Positive"),
    "AB-": ("AB-", "AB Neg"),
    "B+": ("B+", "B pos"),
    "O+": ("O+", "O pos", "O POSITIVE"),
    "O-": ("O-", "O negative", "O Rh Negative"),
}
ETHNICITY = {
    "Hispanic or Latino": ("Hispanic or Latino", "Hispanic", "Latina", "Hispanic/Latino"),
    "Not Hispanic or Latino": ("Not Hispanic or Latino", "Non-Hispanic", "not hispanic"),
    "Declined": ("Declined", "Prefer not to say", "Refused"),
    "Unknown": ("Unknown", "UNK", "Not known"),
}
RACE = {
    "White": ("White", "Caucasian", "white"),
    "Asian": ("Asian", "ASIAN"),
    "Black or African American": ("Black or African American", "African American", "Black"),
    "American Indian or Alaska Native": ("American Indian or Alaska Native", "Alaska Native"),
    "Multiple": ("Multiple", "Two or more races"),
    "Declined": ("Declined", "Patient declined"),
}
MARITAL = {
    "S": ("Single", "S", "Never married"),
    "M": ("Married", "M", "MARRIED"),
    "D": ("Divorced", "D"),
    "W": ("Widowed", "widower", "W"),
    "A": ("Separated",),
    "U": ("Unknown", "UNK"),
}
MISSING = ("", "", "", "N/A", "NULL", "-")
"""Words for no value, in every field but names."""

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
