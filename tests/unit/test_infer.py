"""Contracts proposed from samples: they load, their samples pass, and they show no person."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.contract.loading import Contract, ContractError, Field, load_contract
from pipeline.errors import ContentError, FileCode
from pipeline.infer.contract import infer_contract
from pipeline.infer.labels import is_identifier, is_personal, words_of
from tests.unit.harmonizing import NOW_S, Delivered, Desk

EHR = Path(__file__).resolve().parents[1] / "data" / "ehr"


class Samples:
    """A folder of sample files and what is proposed from them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths: list[Path] = []
        self.text = ""

    def __call__(self, *contents: str | bytes, timezone: str | None = None) -> Contract:
        for number, content in enumerate(contents):
            path = self._folder / f"sample_{number}.csv"
            path.write_bytes(content.encode() if isinstance(content, str) else content)
            self._paths.append(path)
        return self.of(*self._paths, timezone=timezone)

    def of(self, *paths: Path, timezone: str | None = None) -> Contract:
        self.text = infer_contract(paths, now_s=NOW_S, timezone=timezone)
        written = self._folder / "proposed.contract.yaml"
        written.write_text(self.text, encoding="utf-8")
        return load_contract(written)

    def harmonize(self, content: str | bytes) -> Delivered:
        return Desk(self._folder).contract(self.text).harmonize(content)


@pytest.fixture
def samples(tmp_path: Path) -> Samples:
    return Samples(tmp_path)


def field(contract: Contract, name: str) -> Field:
    return contract.field(name)


def column(label: str, *values: str) -> str:
    """A sample of one column beside a running number."""
    return f"row,{label}\n" + "".join(f"{n},{value}\n" for n, value in enumerate(values, start=1))


PATIENTS = "patient_id,sex,ward,weight,born,Admitted At,note\n" + "".join(
    f"{n:05},{'F' if n % 2 else 'M'},{('north', 'south', 'west')[n % 3]},{50 + n / 10:.1f},"
    f"19{40 + n}-02-{1 + n % 28:02},2025-01-{1 + n % 28:02} 08:{n:02},"
    f"{'' if n % 4 else 'ok then'}\n"
    for n in range(1, 41)
)


def test_a_table_is_described_by_all_of_its_rows(samples: Samples) -> None:
    contract = samples(PATIENTS)
    assert [(one.name, one.type) for one in contract.fields] == [
        ("patient_id", "string"),
        ("sex", "string"),
        ("ward", "string"),
        ("weight", "number"),
        ("born", "date"),
        ("admitted_at", "datetime"),
        ("note", "string"),
    ]
    assert contract.primary_key == ("patient_id",)
    assert field(contract, "admitted_at").aliases == ("Admitted At",)
    required = [one.name for one in contract.fields if one.constraints.required]
    assert required == ["patient_id", "sex", "ward", "weight", "born", "admitted_at"]
    assert samples.text.startswith("# yaml-language-server: $schema=")
    assert "# In the sample from 50.1 to 54.0." in samples.text


def test_its_own_sample_passes_without_a_reject(samples: Samples) -> None:
    samples(PATIENTS)
    done = samples.harmonize(PATIENTS)
    assert (done.result.counts.written, done.result.counts.rejected) == (40, 0)


def test_few_and_repeated_words_are_a_code_set(samples: Samples) -> None:
    contract = samples(PATIENTS)
    wards = field(contract, "ward").categories or ()
    assert [one.value for one in wards] == ["north", "south", "west"]


@pytest.mark.parametrize("name", ["patients", "vitals", "lab_results", "medications"])
def test_the_mock_exports_pass_through_what_is_proposed_from_them(
    samples: Samples, name: str
) -> None:
    path = next(EHR.glob(f"**/{name}.csv"))
    contract = samples.of(path)
    done = samples.harmonize(path.read_bytes())
    assert done.result.counts.rejected == 0
    assert field(contract, "patient_id").type == "string"
    assert contract.privacy.restricted
    personal = {row[name] for row in done.rows for name in contract.privacy.restricted}
    words = {word.strip('"[]{},:') for word in samples.text.split()}
    assert not [value for value in personal if len(value) > 3 and value in words]


@pytest.mark.parametrize(
    ("label", "values"),
    [
        ("patient_id", ("1", "2", "3")),
        ("MRN", ("17", "18", "20")),
        ("zip", ("02134", "10001", "94110")),
        ("batch", ("007", "012", "100")),
        ("barcode value", ("4006381333931", "4006381333932", "4006381333938")),
        ("visit number", ("1", "2", "3")),
    ],
)
def test_identifiers_are_text(samples: Samples, label: str, values: tuple[str, ...]) -> None:
    contract = samples(column(label, *values))
    assert contract.fields[1].type == "string"
    done = samples.harmonize(column(label, *values))
    assert [list(row.values())[1] for row in done.rows] == list(values), "no digit is lost"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (("1", "2", "30"), "integer"),
        (("1", "2.5", "30"), "number"),
        (("1,5", "2,25", "-3,125"), "number"),
        (("2025-01-13", "2025-02-14", ""), "date"),
        (("13/01/2025", "02/03/2025", "25/12/2024"), "date"),
        (("2025-01-13 10:30", "2025-02-14 11:00", "2025-02-15 12:15"), "datetime"),
        (("yes", "no", "yes"), "boolean"),
        (("Y", "N", "N"), "boolean"),
        (("true", "false", "true"), "boolean"),
        (("a", "b", "c"), "string"),
        (("5-10", "2nd", "1.2.3"), "string"),
        (("1e309", "x", "2"), "string"),
    ],
)
def test_types_come_from_the_values(
    samples: Samples, values: tuple[str, ...], expected: str
) -> None:
    contract = samples(column("measured", *(f'"{value}"' for value in values)))
    assert field(contract, "measured").type == expected


def test_one_value_that_does_not_fit_keeps_the_column_text_and_says_so(samples: Samples) -> None:
    days = [f"2025-01-{day:02}" for day in range(1, 29)]
    contract = samples(column("taken", *days, "2025-02-30"))
    assert field(contract, "taken").type == "string"
    assert "1 of its values cannot be read as date (impossible-date)" in samples.text
    assert samples.harmonize(column("taken", *days, "2025-02-30")).result.counts.rejected == 0


def test_a_date_order_that_nothing_proves_is_left_to_a_person(samples: Samples) -> None:
    contract = samples(column("taken on", "03/04/2025", "05/06/2025", "07/08/2025"))
    assert field(contract, "taken_on").type == "string"
    assert "Text until this is settled" in samples.text
    assert "Then write type: date." in samples.text


def test_times_without_offset_say_that_somebody_must_name_the_zone(samples: Samples) -> None:
    content = column("taken", "2025-01-13 10:30", "2025-02-14 11:00")
    assert field(samples(content), "taken").timezone == "UTC"
    assert "carry no offset" in " ".join(samples.text.split("\n"))
    berlin = samples(content, timezone="Europe/Berlin")
    assert field(berlin, "taken").timezone == "Europe/Berlin"
    assert "carry no offset" not in samples.text


def test_results_with_words_and_comparators_are_split(samples: Samples) -> None:
    content = column("result", "1.5", "<0.3", "Negative", "2.25", "3", "4")
    contract = samples(content)
    split = field(contract, "result").split
    assert split is not None
    assert split.targets() == {"comparator": "result_comparator", "text": "result_text"}
    done = samples.harmonize(content)
    assert done.column("result_comparator")[1] == "<"
    assert done.column("result_text")[2] == "Negative"


def test_a_key_may_take_several_fields(samples: Samples) -> None:
    rows = [f"P{n % 4},2025-01-{1 + n // 4:02},{n}" for n in range(40)]
    contract = samples("patient_id,taken,value\n" + "\n".join(rows) + "\n")
    assert contract.primary_key == ("patient_id", "taken")


def test_an_identifier_that_is_almost_unique_is_pointed_out(samples: Samples) -> None:
    rows = [f"P{n:03},X{n}" for n in range(40)] + ["P003,X99"]
    contract = samples("patient_id,visit_id\n" + "\n".join(rows) + "\n")
    assert contract.primary_key == ()
    assert "Almost a key: 1 of its values" in samples.text
    assert field(contract, "visit_id").constraints.unique


def test_rows_that_repeat_as_a_whole_do_not_spoil_a_key(samples: Samples) -> None:
    contract = samples("patient_id,value\nP1,5\nP2,6\nP2,6\nP3,7\n")
    assert contract.primary_key == ("patient_id",)


def test_rare_words_are_not_shown_and_still_pass(samples: Samples) -> None:
    values = ["stable"] * 20 + ["improved"] * 9 + ["Canarydisease"] * 2
    contract = samples(column("condition", *values))
    assert "Canary" not in samples.text
    assert "1 further word" in samples.text
    assert list(contract.codesets["condition_codes"]) == ["improved", "stable"]
    assert samples.harmonize(column("condition", *values)).result.counts.rejected == 0


@pytest.mark.parametrize(
    "label",
    ["Last Name", "surname", "Vorname", "guardian", "attending physician", "notes", "street"],
)
def test_names_and_notes_are_never_shown_however_often_they_occur(
    samples: Samples, label: str
) -> None:
    samples(column(label, *["Canary"] * 20, *["Otherbird"] * 20))
    assert "anary" not in samples.text
    assert "therbird" not in samples.text


def test_patient_numbers_that_repeat_are_no_code_set(samples: Samples) -> None:
    rows = "".join(f"P10{n % 4},{n}\n" for n in range(40))
    contract = samples("patient_id,value\n" + rows)
    assert field(contract, "patient_id").categories is None
    assert "P101" not in samples.text


def test_the_range_of_a_birth_date_is_not_shown(samples: Samples) -> None:
    samples(column("date of birth", "1931-02-03", "1980-04-25", "1999-12-31"))
    assert "1931" not in samples.text


def test_several_samples_are_one_table(samples: Samples) -> None:
    contract = samples("id,value\n1,5\n2,6\n", "VALUE,Id\n,3\n7.5,4\n")
    assert [(one.name, one.type) for one in contract.fields] == [
        ("id", "string"),
        ("value", "number"),
    ]
    assert not field(contract, "value").constraints.required
    assert contract.primary_key == ("id",)
    assert "2 sample files with 4 rows" in samples.text


def test_other_writing_systems_get_names_and_keep_their_headings(samples: Samples) -> None:
    contract = samples("患者,血糖,Größe\nA1,5.5,1.75\nA2,6.1,1.80\n")
    assert [one.name for one in contract.fields] == ["column_1", "column_2", "grosse"]
    assert [one.aliases for one in contract.fields] == [("患者",), ("血糖",), ("Größe",)]


def test_words_that_yaml_would_take_for_something_else_stay_words(samples: Samples) -> None:
    values = ["NO"] * 6 + ["1:30"] * 6 + ["~"] * 6
    contract = samples(column("country code", *values))
    assert {one.value for one in field(contract, "country_code").categories or ()} >= {"NO"} or (
        field(contract, "country_code").categories is None
    )
    done = samples.harmonize(column("country code", *values))
    assert set(done.column("country_code")) == {"NO", "1:30", "~"}


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("a,b\n", FileCode.EMPTY),
        ("", FileCode.EMPTY),
        ("a,A\n1,2\n", FileCode.COLUMN_CONFLICT),
        (",b\n1,2\n", FileCode.HEADER_MISSING),
        ("name\nJosÃ©\nMÃ¼ller\n", FileCode.TEXT_DAMAGED),
    ],
)
def test_a_sample_nothing_can_be_learned_from_is_refused(
    samples: Samples, content: str, code: FileCode
) -> None:
    with pytest.raises(ContentError) as refused:
        samples(content)
    assert refused.value.code is code


def test_samples_of_two_tables_are_refused(samples: Samples) -> None:
    with pytest.raises(ContentError, match="other columns"):
        samples("a,b\n1,2\n", "a,c\n1,2\n")


def test_records_of_a_wrong_shape_are_told(samples: Samples) -> None:
    samples("a,b\n" + "1,2\n" * 30 + "1,2,3\n")
    assert "1 records of the sample are rejected: extra-cell." in samples.text


CELLS = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=12
) | st.sampled_from(["1", "2.5", "1,5", "2025-01-13", "13/01/2025", "yes", "N/A", "", "007", "<5"])


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=12))
def test_whatever_the_sample_the_proposal_loads_and_takes_it(rows: list[list[str]]) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["alpha", "beta_id", "gamma date"], *rows])
    with tempfile.TemporaryDirectory() as folder:
        samples = Samples(Path(folder))
        try:
            samples(text.getvalue())
        except ContractError:
            raise
        except ContentError:  # the file itself is unreadable or unclear
            return
        done = samples.harmonize(text.getvalue())
        assert {code for _, _, code in done.reasons} <= {
            "extra-cell",
            "missing-cell",
            "blank-row",
        }


@pytest.mark.parametrize(
    ("label", "identifier", "personal"),
    [
        ("PatientID", True, True),
        ("number of visits", False, False),
        ("test name", False, False),
        ("Patient Name", False, True),
        ("drug_code", True, False),
        ("ward", False, False),
    ],
)
def test_what_names_promise(label: str, identifier: bool, personal: bool) -> None:
    words = words_of(label)
    assert (is_identifier(words), is_personal(words)) == (identifier, personal)


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "daemon", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "NO_COLOR": "1"},
    )


def test_the_command_writes_a_proposal_that_the_command_checks(tmp_path: Path) -> None:
    sample, out = tmp_path / "north.csv", tmp_path / "north.contract.yaml"
    sample.write_text(PATIENTS, encoding="utf-8")
    printed = run("contracts", "infer", str(sample))
    assert printed.returncode == 0, printed.stderr
    assert "name: north" in printed.stdout
    written = run("contracts", "infer", str(sample), "-o", str(out))
    assert (written.returncode, written.stdout) == (0, "")
    again = run("contracts", "infer", str(sample), "-o", str(out))
    assert again.returncode == 64, "a file that is there is not overwritten"
    checked = run("contracts", "check", str(out))
    assert (checked.returncode, checked.stdout) == (0, "north 0.1.0: good, 7 fields\n")


def test_the_command_names_every_mistake(tmp_path: Path) -> None:
    (tmp_path / "a.contract.yaml").write_text(
        "name: a\nfields:\n  - {name: x, typ: string}\n  - {name: y, type: text}\n",
        encoding="utf-8",
    )
    (tmp_path / "b.contract.yaml").write_text(
        "name: b\nfields: [{name: x, type: string}]\n"
        "foreignKeys: [{fields: [x], reference: {resource: gone, fields: [y]}}]\n",
        encoding="utf-8",
    )
    checked = run("contracts", "check", str(tmp_path))
    assert checked.returncode == 78
    assert "a.contract.yaml, line 3: 'typ' is not a known key here; did you mean 'type'?" in (
        checked.stderr
    )
    assert "a.contract.yaml, line 4" in checked.stderr
    assert "Note: b refers to gone" in checked.stdout
    assert run("contracts", "check", str(tmp_path / "none.yaml")).returncode == 66


def test_the_built_in_contracts_are_good() -> None:
    checked = run("contracts", "check")
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(": good") == 4
