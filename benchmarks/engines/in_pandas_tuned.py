"""The job in pandas by somebody who knows it: Arrow strings, regular expressions over whole
columns, each distinct text read once, and a hand-made CSV through pyarrow at the end.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv as arrow_csv

from benchmarks import job
from benchmarks.generate import FIELDS, LABELS

TEXT = pd.ArrowDtype(pa.string())
INVISIBLE = job.INVISIBLE.replace("\x00", "\x01")  # RE2 takes no NUL in a pattern


def read(source: str) -> pd.DataFrame:
    """Raw text columns by field, with record and line."""
    table = arrow_csv.read_csv(
        source,
        parse_options=arrow_csv.ParseOptions(newlines_in_values=True),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(LABELS.values(), pa.string()), strings_can_be_null=False
        ),
    )
    raw = table.rename_columns(list(LABELS)).to_pandas(types_mapper=pd.ArrowDtype)
    raw["record"] = np.arange(1, len(raw) + 1)
    breaks = raw["address_line"].str.count("\n").astype("int64")
    raw["line"] = raw["record"] + 1 + breaks.cumsum() - breaks
    return raw


def cleaned(texts: pd.Series) -> pd.Series:
    """Text without what nobody sees, trimmed and composed; ASCII needs only the trimming."""
    array = pa.chunked_array(texts.array._pa_array)
    if not pc.all(pc.string_is_ascii(array)).as_py():
        array = pc.replace_substring_regex(array, INVISIBLE, "")
        array = pc.utf8_normalize(array, "NFC")
    return pd.Series(pd.array(pc.utf8_trim_whitespace(array), dtype=TEXT), index=texts.index)


def by_distinct(texts: pd.Series, meanings: dict[str, str]) -> pd.Series:
    """Look every distinct text up once."""
    codes, uniques = pd.factorize(texts)
    found = pd.Series([meanings.get(text.lower()) for text in uniques] + [None], dtype=TEXT)
    result = found.take(codes)
    result.index = texts.index
    return result


def dates(texts: pd.Series) -> pd.Series:
    """ISO dates; each format is tried on what the ones before it left."""
    days = pd.Series(np.full(len(texts), "NaT", dtype="M8[s]"), index=texts.index)
    left = texts.notna()
    for form in job.DATE_FORMATS:
        found = pd.to_datetime(texts[left].astype(object), format=form, errors="coerce")
        days[left] = found.astype("M8[s]")
        left &= days.isna()
    return days.astype(pd.ArrowDtype(pa.date32()))


def converted(name: str, texts: pd.Series) -> pd.Series:
    """The delivered values; missing where there is none or it is at fault."""
    if name == "birth_date":
        return dates(texts)
    if name in job.CODES:
        return by_distinct(texts, job.CODES[name])
    array = pa.chunked_array(texts.array._pa_array)
    if name == "patient_id":
        fits = pc.match_substring_regex(array, job.PATIENT_ID)
        array = pc.if_else(fits, array, None)
    elif name == "phone":
        array = pc.replace_substring_regex(array, job.PHONE, r"+1\1\2\3")
    elif name == "postal_code":
        hyphened = pc.replace_substring_regex(array, "^([0-9]{5})([0-9]{4})$", r"\1-\2")
        array = pc.if_else(pc.match_substring_regex(array, job.ZIP), hyphened, None)
    elif name == "email":
        fits = pc.match_substring_regex(array, job.EMAIL)
        loud = pc.match_substring_regex(array, "@.*[A-Z]")
        lowered = pc.if_else(loud, pc.ascii_lower(array), array)
        local = pc.replace_substring_regex(array, "@.*", "")
        domain = pc.replace_substring_regex(lowered, "^[^@]*", "")
        array = pc.if_else(fits, pc.binary_join_element_wise(local, domain, ""), None)
    else:
        return texts
    return pd.Series(pd.array(array, dtype=TEXT), index=texts.index)


def faults(words: pd.DataFrame, rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Reject codes by field, "" for the row: only the rows that have one."""
    found: dict[str, pd.Series] = {}
    for name in FIELDS:
        if name not in LABELS or name not in (
            *job.CODES, "birth_date", "patient_id", "family_name", "postal_code", "email"
        ):  # fmt: skip
            continue
        text = words[name]
        misfit = text[text.notna() & rows[name].isna()]
        code = pd.Series(
            "code-unknown" if name in job.CODES else "pattern", index=misfit.index, dtype=object
        )
        if name == "birth_date":
            code[:] = "type-error"
            code[misfit.str.match(job.LOOKS_LIKE_DATE)] = "impossible-date"
            code[misfit.str.match(job.PARTIAL_DATE)] = "partial-date"
            early = rows.index[(rows[name] < pd.Timestamp(job.FIRST_BIRTH).date()).fillna(False)]
            code = pd.concat([code, pd.Series("constraint-error", index=early)])
        if name in ("patient_id", "family_name", "birth_date"):
            code = pd.concat([code, pd.Series("required", index=text.index[text.isna()])])
        found[name] = code
    late = rows.index[(rows["birth_date"] > pd.Timestamp(job.TODAY).date()).fillna(False)]
    return found | {"": pd.Series("row-constraint", index=late)}


def settle(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[int, int, str, str]], int]:
    """Rows of one key made one; only those that share a key are looked at in Python."""
    is_several = rows["patient_id"].duplicated(keep=False)
    several = rows[is_several].astype(object)
    several = several.where(several.notna(), None)
    groups: dict[str, list[dict[str, object]]] = {}
    for row in several.to_dict("records"):
        groups.setdefault(row["patient_id"], []).append(row)
    rejects: list[tuple[int, int, str, str]] = []
    kept: list[dict[str, object]] = []
    dropped = 0
    for group in groups.values():
        said = {
            name: len({str(row[name]).lower() for row in group if row[name] is not None})
            for name in LABELS
        }
        wrong = [(name, "key-conflict") for name in job.CONFLICT if said[name] > 1]
        wrong += [(n, "primary-key") for n in FIELDS if n in LABELS and said[n] > 1]
        if wrong:
            rejects += [(row["record"], row["line"], *wrong[0]) for row in group]
            continue
        best = max(group, key=lambda row: sum(value is not None for value in row.values()))
        for row in group:
            best |= {name: value for name, value in row.items() if best[name] is None}
        kept.append(best)
        dropped += len(group) - 1
    table = pa.Table.from_pylist(
        kept,
        pa.schema(
            [
                (
                    c,
                    rows[c].dtype.pyarrow_dtype
                    if isinstance(rows[c].dtype, pd.ArrowDtype)
                    else pa.int64(),
                )
                for c in rows
            ]
        ),
    )
    merged = table.to_pandas(types_mapper=pd.ArrowDtype)
    whole = pd.concat([rows[~is_several], merged]) if kept else rows[~is_several]
    return whole.sort_values("record", kind="stable"), rejects, dropped


def main(source: str, folder: str) -> None:
    """Do the job and write its three files."""
    raw = read(source)
    read_rows = len(raw)
    raw = raw[raw["patient_id"] != LABELS["patient_id"]]
    words, rows, changed = {}, {"record": raw["record"], "line": raw["line"]}, {}
    for name in LABELS:
        text = cleaned(raw[name])
        words[name] = text.mask(text.isin(job.null_words(name)))
        rows[name] = converted(name, words[name])
        same_type = rows[name].astype(TEXT) if name == "birth_date" else rows[name]
        changed[name] = {
            "cleaned": int((raw[name] != text).sum()),
            "missing-word": int((words[name].isna() & (text != "")).sum()),
            "converted": int((words[name] != same_type).sum()),
        }
    frame = pd.DataFrame(rows)
    codes = faults(pd.DataFrame(words), frame)
    bad = np.unique(np.concatenate([code.index.to_numpy() for code in codes.values()]))
    rejects = [
        (int(raw.at[index, "record"]), int(raw.at[index, "line"]), name, code)
        for name, several in codes.items()
        for index, code in several.items()
    ]
    good, late, dropped = settle(frame.drop(index=bad))
    rejects = sorted([*rejects, *late], key=lambda reject: reject[0])
    table = pa.table(
        {
            name: pa.chunked_array(good[name].array._pa_array)
            if name in LABELS
            else pa.nulls(len(good), pa.string())
            for name in FIELDS
        }
    )
    arrow_csv.write_csv(table, Path(folder) / "patients.csv")
    listed = pd.DataFrame(rejects, columns=["record", "line", "field", "code"])
    listed.to_csv(Path(folder) / "rejects.csv", index=False)
    counts = {
        "read": read_rows,
        "written": len(good),
        "rejected": int(listed["record"].nunique()),
        "duplicate": dropped,
        "skipped": read_rows - len(raw),
        "changed": changed,
    }
    (Path(folder) / "counts.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
