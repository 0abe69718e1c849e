from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.standardize import contact, identifiers, text
from pipeline.standardize.wholetexts import match_whole

PATTERNS = {
    "assigned": contact._assigned(),
    "email": contact._EMAIL,
    "postal-code": contact._POSTAL_CODE,
    "rounded": identifiers._ROUNDED,
    "spreadsheet-error": text.SPREADSHEET_ERROR,
}
EXAMPLES = [
    None, "", "\n", "+14059014744", "+14059014744\n", "+1405901474٤", "(405) 901-4744", "a@b.co",
    "a@b.co\n", "ä@b.co", "33501", "33501-1234", "33501\n", "３３501", "1000000000000000",
    "1.23457E+19", "#N/A", "#N/A\n", "#n/a", "#NAME?",
]  # fmt: skip


@pytest.mark.parametrize("pattern", PATTERNS.values(), ids=PATTERNS.keys())
@given(more=st.lists(st.text(alphabet="+10-. (4)5@aZ.é٣#N/A!?E\n", max_size=14), max_size=20))
def test_few_texts_match_exactly_when_many_do(pattern: str, more: list[str]) -> None:
    few = [*EXAMPLES, *more]
    many = few * (1 + 100 // len(few))

    answers = match_whole(pa.array(few, pa.string()), pattern).to_pylist()

    assert len(many) > 100
    assert match_whole(pa.array(many, pa.string()), pattern).to_pylist()[: len(few)] == answers
