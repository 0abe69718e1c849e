"""The job in polars: one lazy plan on the new streaming engine, expressions only."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import polars as pl

from benchmarks import job
from benchmarks.generate import FIELDS, LABELS

FAULT = "fault_"
CLEAN = "clean_"
TEXT = "text_"


def read(source: str) -> pl.LazyFrame:
    """Raw text columns by field, with record and line; headers that repeat are left out."""
    frame = pl.scan_csv(source, infer_schema=False, empty_string_is_null=False)
    breaks = pl.col("address_line").str.count_matches("\n", literal=True)
    return (
        frame.rename({label: name for name, label in LABELS.items()}, strict=False)
        .with_row_index("record", offset=1)
        .with_columns(line=pl.col("record") + 1 + breaks.cum_sum() - breaks)
        .filter(pl.col("patient_id") != LABELS["patient_id"])
    )


def cleaned(name: str) -> pl.Expr:
    """Text without what nobody sees, trimmed and composed."""
    visible = pl.col(name).str.replace_all(job.INVISIBLE, "")
    return visible.str.strip_chars(job.SPACE).str.normalize("NFC")


def stated(name: str) -> pl.Expr:
    """Cleaned text, null for words that mean no value."""
    text = pl.col(TEXT + name)
    return pl.when(~text.is_in(job.null_words(name))).then(text)


def converted(name: str) -> pl.Expr:
    """The delivered value; null where there is none or it is at fault."""
    text = pl.col(CLEAN + name)
    if name == "birth_date":
        return pl.coalesce(text.str.to_date(form, strict=False) for form in job.DATE_FORMATS)
    if name in job.CODES:
        return text.str.to_lowercase().replace_strict(job.CODES[name], default=None)
    if name == "patient_id":
        return pl.when(text.str.contains(job.PATIENT_ID)).then(text)
    if name == "phone":
        return text.str.replace(job.PHONE, "+1${1}${2}${3}")
    if name == "postal_code":
        long = text.str.len_bytes() == 9
        hyphened = pl.concat_str(text.str.head(5), pl.lit("-"), text.str.tail(4))
        return pl.when(text.str.contains(job.ZIP)).then(
            pl.when(long).then(hyphened).otherwise(text)
        )
    if name == "email":
        at = text.str.splitn("@", 2)
        address = pl.concat_str(
            at.struct.field("field_0"),
            pl.lit("@"),
            at.struct.field("field_1").str.to_lowercase(),
        )
        return pl.when(text.str.contains(job.EMAIL)).then(address)
    return text


def fault(name: str) -> pl.Expr | None:
    """The reject code of a field's cell, null when it is good."""
    text, value = pl.col(CLEAN + name), pl.col(name)
    misfit = text.is_not_null() & value.is_null()
    if name == "birth_date":
        return (
            pl.when(text.is_null()).then(pl.lit("required"))
            .when(misfit & text.str.contains(job.PARTIAL_DATE)).then(pl.lit("partial-date"))
            .when(misfit & text.str.contains(job.LOOKS_LIKE_DATE)).then(pl.lit("impossible-date"))
            .when(misfit).then(pl.lit("type-error"))
            .when(value < pl.lit(job.FIRST_BIRTH).str.to_date()).then(pl.lit("constraint-error"))
        )  # fmt: skip
    if name == "patient_id":
        return pl.when(text.is_null()).then(pl.lit("required")).when(misfit).then(pl.lit("pattern"))
    if name == "family_name":
        return pl.when(text.is_null()).then(pl.lit("required"))
    if name in job.CODES:
        return pl.when(misfit).then(pl.lit("code-unknown"))
    return pl.when(misfit).then(pl.lit("pattern")) if name in ("postal_code", "email") else None


def faults() -> dict[str, pl.Expr]:
    """Reject code by field; "" is the row as a whole."""
    found = {name: fault(name) for name in FIELDS if name in LABELS}
    late = pl.when(pl.col("birth_date") > pl.lit(job.TODAY).str.to_date())
    return {name: one for name, one in found.items() if one is not None} | {
        "": late.then(pl.lit("row-constraint"))
    }


def main(source: str, folder: str) -> None:
    """Do the job and write its three files."""
    words = (
        read(source)
        .with_columns(cleaned(name).alias(TEXT + name) for name in LABELS)
        .with_columns(stated(name).alias(CLEAN + name) for name in LABELS)
    )
    rows = words.with_columns(converted(name).alias("new_" + name) for name in LABELS)
    changed = [
        expression
        for name in LABELS
        for expression in (
            (pl.col(name) != pl.col(TEXT + name)).sum().alias(f"{name}/cleaned"),
            (pl.col(CLEAN + name).is_null() & (pl.col(TEXT + name) != ""))
            .sum().alias(f"{name}/missing-word"),
            (pl.col(CLEAN + name) != pl.col("new_" + name).cast(pl.String))
            .sum().alias(f"{name}/converted"),
        )
    ]  # fmt: skip
    counts = rows.select(pl.len().alias("rows"), pl.max("record").alias("read"), *changed)
    checked = rows.select(
        "record", "line",
        *(pl.col("new_" + name).alias(name) for name in LABELS),
        *(CLEAN + name for name in ("birth_date", "patient_id", "family_name", *job.CODES,
                                    "postal_code", "email")),
    ).with_columns(one.alias(FAULT + name) for name, one in faults().items())  # fmt: skip
    is_bad = pl.any_horizontal(pl.col(FAULT + name).is_not_null() for name in faults())
    good = checked.filter(~is_bad).select("record", "line", *LABELS)
    bad = checked.filter(is_bad).select("record", "line", pl.col(f"^{FAULT}.*$"))
    counted, rows_good, rows_bad = pl.collect_all([counts, good, bad], engine="streaming")
    finish(counted, rows_good, rejects_in(rows_bad), Path(folder))


def rejects_in(bad: pl.DataFrame) -> pl.DataFrame:
    """record, line, field, code."""
    return (
        bad.unpivot(index=["record", "line"], variable_name="field", value_name="code")
        .drop_nulls("code")
        .with_columns(pl.col("field").str.strip_prefix(FAULT))
    )


def settle(rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Rows of one key made one: (the rows, rejects, how many were dropped)."""
    several = rows.filter(pl.col("patient_id").is_duplicated())
    fill = pl.sum_horizontal(pl.col(name).is_not_null() for name in LABELS)
    said = several.group_by("patient_id").agg(
        *(
            pl.col(name).cast(pl.String).str.to_lowercase().drop_nulls().n_unique().alias(name)
            for name in LABELS
            if name != "patient_id"
        )
    )
    conflict = pl.coalesce(
        pl.when(pl.col(name) > 1).then(pl.lit(f"{name}/key-conflict")) for name in job.CONFLICT
    )
    other = pl.coalesce(
        pl.when(pl.col(name) > 1).then(pl.lit(f"{name}/primary-key"))
        for name in FIELDS if name in LABELS and name != "patient_id"
    )  # fmt: skip
    wrong = said.select("patient_id", why=pl.coalesce(conflict, other)).drop_nulls("why")
    rejected = several.join(wrong, on="patient_id").select(
        "record", "line",
        field=pl.col("why").str.split("/").list.get(0),
        code=pl.col("why").str.split("/").list.get(1),
    )  # fmt: skip
    agreeing = several.join(wrong, on="patient_id", how="anti").with_columns(full=fill)
    merged = (
        agreeing.sort(["full", "record"], descending=[True, False])
        .group_by("patient_id", maintain_order=True)
        .agg(
            pl.col("record", "line").first(),
            *(pl.col(n).drop_nulls().first() for n in LABELS if n != "patient_id"),
        )
        .select(rows.columns)
    )
    single = rows.filter(~pl.col("patient_id").is_duplicated())
    whole = pl.concat([single, merged]).sort("record")
    return whole, rejected, len(agreeing) - len(merged)


def finish(counted: pl.DataFrame, rows: pl.DataFrame, rejects: pl.DataFrame, folder: Path) -> None:
    """Settle keys and write."""
    whole, rejected, dropped = settle(rows)
    rejects = pl.concat(
        [
            rejects.cast({"record": pl.UInt32, "line": pl.UInt32}),
            rejected.cast({"record": pl.UInt32, "line": pl.UInt32}),
        ]
    ).sort("record", maintain_order=True)
    rejects.select("record", "line", "field", "code").write_csv(folder / "rejects.csv")
    whole.select(
        pl.col(name) if name in LABELS else pl.lit(None, pl.String).alias(name) for name in FIELDS
    ).write_csv(folder / "patients.csv")
    one = counted.row(0, named=True)
    changed: dict[str, dict[str, int]] = {}
    for key, cells in one.items():
        if "/" in key:
            name, reason = key.split("/")
            changed.setdefault(name, {})[reason] = cells
    counts = {
        "read": one["read"],
        "written": len(whole),
        "rejected": rejects["record"].n_unique(),
        "duplicate": dropped,
        "skipped": one["read"] - one["rows"],
        "changed": changed,
    }
    (folder / "counts.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
