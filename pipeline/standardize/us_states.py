"""US states, districts, territories and military posts: names and codes to USPS codes.

Source: USPS Publication 28, appendix B.
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import pyarrow as pa

from pipeline.standardize.base import Converted
from pipeline.standardize.codes import Code, CodeSet, convert_codes

_NAMES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California",
    "CO": "Colorado", "CT": "Connecticut", "DE": "Delaware", "DC": "District of Columbia",
    "FL": "Florida", "GA": "Georgia", "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois",
    "IN": "Indiana", "IA": "Iowa", "KS": "Kansas", "KY": "Kentucky", "LA": "Louisiana",
    "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts", "MI": "Michigan", "MN": "Minnesota",
    "MS": "Mississippi", "MO": "Missouri", "MT": "Montana", "NE": "Nebraska", "NV": "Nevada",
    "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico", "NY": "New York",
    "NC": "North Carolina", "ND": "North Dakota", "OH": "Ohio", "OK": "Oklahoma", "OR": "Oregon",
    "PA": "Pennsylvania", "RI": "Rhode Island", "SC": "South Carolina", "SD": "South Dakota",
    "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont", "VA": "Virginia",
    "WA": "Washington", "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming",
    "AS": "American Samoa", "GU": "Guam", "MP": "Northern Mariana Islands", "PR": "Puerto Rico",
    "VI": "Virgin Islands", "FM": "Federated States of Micronesia", "MH": "Marshall Islands",
    "PW": "Palau", "AA": "Armed Forces Americas", "AE": "Armed Forces Europe",
    "AP": "Armed Forces Pacific",
}  # fmt: skip
_MORE_NAMES = {
    "DC": ("Washington DC", "Washington, D.C."),
    "VI": ("US Virgin Islands", "U.S. Virgin Islands"),
    "WA": ("Washington State",),
    "NY": ("New York State",),
}


@cache
def us_states() -> CodeSet:
    """The code set; `N.Y.` and `new york` are both NY."""
    return CodeSet(
        Code(code, (f"{code[0]}.{code[1]}.", *_MORE_NAMES.get(code, ())), label=name)
        for code, name in _NAMES.items()
    )


def convert_us_states(
    values: pa.StringArray, *, unknown: Literal["reject", "keep", "review"] = "reject"
) -> Converted:
    """USPS code of each cell; anything else is code-unknown (see `convert_codes`)."""
    return convert_codes(values, us_states(), unknown=unknown)
