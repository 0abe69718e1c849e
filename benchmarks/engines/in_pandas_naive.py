"""The job in pandas as people write it: read it all, strip, map, apply a function to each cell."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pandas as pd

from benchmarks import job
from benchmarks.generate import FIELDS, LABELS


def phone(text: object) -> object:
    """E.164, or the text as it is."""
    found = re.match(job.PHONE, text) if isinstance(text, str) else None
    return "+1" + "".join(found.groups()) if found else text


def postal_code(text: object) -> object:
    """ZIP or ZIP+4, None for anything else."""
    found = re.match(job.ZIP, text) if isinstance(text, str) else None
    return "-".join(part for part in found.groups() if part) if found else None


def email(text: object) -> object:
    """The address with its domain in lower case, None for anything else."""
    if not isinstance(text, str) or not re.match(job.EMAIL, text):
        return None
    local, _, domain = text.partition("@")
    return f"{local}@{domain.lower()}"


def converted(name: str, texts: pd.Series) -> pd.Series:
    """The delivered values; missing where there is none or it is at fault."""
    if name == "birth_date":
        days = pd.to_datetime(texts, format=job.DATE_FORMATS[0], errors="coerce")
        for form in job.DATE_FORMATS[1:]:
            days = days.fillna(pd.to_datetime(texts, format=form, errors="coerce"))
        return days.dt.strftime("%Y-%m-%d")
    if name in job.CODES:
        return texts.str.lower().map(job.CODES[name])
    if name == "patient_id":
        return texts.where(texts.str.match(job.PATIENT_ID, na=False))
    reader = {"phone": phone, "postal_code": postal_code, "email": email}.get(name)
    return texts if reader is None else texts.apply(reader)


def faults(words: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Reject code by field, "" for the row; missing where all is good."""
    codes = pd.DataFrame(index=rows.index)
    for name in FIELDS:
        if name not in LABELS:
            continue
        misfit = words[name].notna() & rows[name].isna()
        code = pd.Series(None, index=rows.index, dtype=object)
        if name == "birth_date":
            code[misfit] = "type-error"
            code[misfit & words[name].str.match(job.LOOKS_LIKE_DATE, na=False)] = "impossible-date"
            code[misfit & words[name].str.match(job.PARTIAL_DATE, na=False)] = "partial-date"
            code[rows[name] < job.FIRST_BIRTH] = "constraint-error"
        elif name in job.CODES:
            code[misfit] = "code-unknown"
        else:
            code[misfit] = "pattern"
        if name in ("patient_id", "family_name", "birth_date"):
            code[words[name].isna()] = "required"
        codes[name] = code
    late = pd.Series(None, index=rows.index, dtype=object)
    late[rows["birth_date"] > job.TODAY] = "row-constraint"
    codes[""] = late
    return codes


def settle(rows: pd.DataFrame) -> tuple[pd.DataFrame, list[tuple[int, int, str, str]], int]:
    """Rows of one key made one: (the rows, rejects, how many were dropped)."""
    rejects: list[tuple[int, int, str, str]] = []
    out: list[int] = []
    dropped = 0
    several = rows[rows["patient_id"].duplicated(keep=False)]
    for _, group in several.groupby("patient_id"):
        said = group[list(LABELS)].apply(lambda column: column.str.lower().nunique())
        wrong = [(name, "key-conflict") for name in job.CONFLICT if said[name] > 1]
        wrong += [(n, "primary-key") for n in FIELDS if n in LABELS and said[n] > 1]
        if wrong:
            rejects += [(one.record, one.line, *wrong[0]) for one in group.itertuples()]
            out += list(group.index)
            continue
        fullest = group[list(LABELS)].notna().sum(axis=1).idxmax()
        others = [index for index in group.index if index != fullest]
        for index in others:
            for name in LABELS:
                if pd.isna(rows.at[fullest, name]) and pd.notna(rows.at[index, name]):
                    rows.at[fullest, name] = rows.at[index, name]
        out += others
        dropped += len(others)
    return rows.drop(index=out), rejects, dropped


def main(source: str, folder: str) -> None:
    """Do the job and write its three files."""
    raw = pd.read_csv(source, dtype=str, keep_default_na=False)
    raw = raw.rename(columns={label: name for name, label in LABELS.items()})
    read = len(raw)
    raw["record"] = range(1, read + 1)
    breaks = raw["address_line"].str.count("\n")
    raw["line"] = raw["record"] + 1 + breaks.cumsum() - breaks
    raw = raw[raw["patient_id"] != LABELS["patient_id"]]
    words, rows, changed = pd.DataFrame(index=raw.index), raw[["record", "line"]].copy(), {}
    for name in LABELS:
        text = raw[name].str.replace(job.INVISIBLE, "", regex=True).str.strip()
        text = text.str.normalize("NFC")
        words[name] = text.where(~text.isin(job.null_words(name)))
        rows[name] = converted(name, words[name])
        both = words[name].notna() & rows[name].notna()
        changed[name] = {
            "cleaned": int((raw[name] != text).sum()),
            "missing-word": int((words[name].isna() & (text != "")).sum()),
            "converted": int((words[name] != rows[name])[both].sum()),
        }
    codes = faults(words, rows)
    bad = codes.notna().any(axis=1)
    rejects = [
        (record, line, name, code)
        for name in codes
        for record, line, code in zip(rows["record"], rows["line"], codes[name], strict=True)
        if isinstance(code, str)
    ]
    good, late, dropped = settle(rows[~bad].copy())
    rejects = sorted([*rejects, *late], key=lambda reject: reject[0])
    good.reindex(columns=list(FIELDS)).to_csv(Path(folder) / "patients.csv", index=False)
    listed = pd.DataFrame(rejects, columns=["record", "line", "field", "code"])
    listed.to_csv(Path(folder) / "rejects.csv", index=False)
    counts = {
        "read": read,
        "written": len(good),
        "rejected": int(listed["record"].nunique()),
        "duplicate": dropped,
        "skipped": read - len(raw),
        "changed": changed,
    }
    (Path(folder) / "counts.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
