"""JSON beside an original: the same bytes, whether a part was laid out before or not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daemon.folders.laidout import kept_of, laid_out
from pipeline.outputs.jsontext import json_text

NAMES = ("schema", "plan", "now_s", "not there")
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.sampled_from(("schema", "plan", "now_s", "columns")), _VALUES))
def test_the_kept_parts_are_those_of_the_report(report: dict[str, Any]) -> None:
    told = {**report, "schema": report.get("schema", 'a\n  "b": {')}
    content = json_text(told).encode("utf-8", "surrogatepass")
    found = kept_of(content, NAMES)
    assert found is not None
    assert found.keys() == {name for name in told if name in NAMES}
    plainly = {name: json.loads(content)[name] for name in found}
    lines = laid_out({"report": found}).splitlines()
    assert json.loads("\n".join(lines)) == {"report": plainly}
    assert lines[2:-2] == [
        f"    {json.dumps(name)}: {json.dumps(value)}{',' if name != list(plainly)[-1] else ''}"
        for name, value in plainly.items()
    ]


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{\n  "plan": {\n    "a": 1', b"\xff{\n}"])
def test_a_report_that_was_cut_short_has_no_parts(content: bytes) -> None:
    assert kept_of(content, NAMES) is None


def test_each_part_of_a_document_has_its_line() -> None:
    document = {"job": "j1", "rows": {"read": 4}, "none": None, "list": [{"a": [1, {}]}], "e": {}}
    assert laid_out(document) == (
        '{\n  "job": "j1",\n  "rows": {\n    "read": 4\n  },\n  "none": null,\n'
        '  "list": [\n    {"a": [1, {}]}\n  ],\n  "e": {}\n}\n'
    )
