"""The job in DuckDB: SQL, columns of text in, expressions once a row, keys by window."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import duckdb

from benchmarks import job
from benchmarks.generate import FIELDS, LABELS

# RE2 takes no NUL in a pattern; DuckDB's CSV reader lets none through either
_INVISIBLE = job.INVISIBLE.replace("\x00", "\x01")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def read(source: str) -> str:
    """Raw text by field with record and line; headers that repeat are left out."""
    columns = ", ".join(f"{_quoted(label)}: 'VARCHAR'" for label in LABELS.values())
    named = ", ".join(f'"{label}" AS {name}' for name, label in LABELS.items())
    breaks = "length(address_line) - length(replace(address_line, chr(10), ''))"
    return f"""
        SELECT * EXCLUDE (breaks), record + 1 + before AS line FROM (
            SELECT *, coalesce(sum(breaks) OVER (
                ORDER BY record ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before
            FROM (SELECT *, row_number() OVER () AS record, {breaks} AS breaks FROM (
                SELECT {named} FROM read_csv({_quoted(source)}, columns = {{{columns}}},
                    header = true, auto_detect = false, delim = ',', quote = '"', escape = '"',
                    nullstr = '\\N', strict_mode = true, parallel = true))))
        WHERE patient_id <> {_quoted(LABELS["patient_id"])}
    """


def cleaned(name: str) -> str:
    """Text without what nobody sees, trimmed and composed."""
    visible = f"regexp_replace({name}, {_quoted(_INVISIBLE)}, '', 'g')"
    return f"nfc_normalize(trim({visible}, {_quoted(job.SPACE)}))"


def stated(name: str) -> str:
    """Cleaned text, null for words that mean no value."""
    words = ", ".join(map(_quoted, job.null_words(name)))
    return f"CASE WHEN t_{name} IN ({words}) THEN NULL ELSE t_{name} END"


def converted(name: str) -> str:
    """The delivered value; null where there is none or it is at fault."""
    if name == "birth_date":
        forms = ", ".join(map(_quoted, job.DATE_FORMATS))
        return f"CAST(try_strptime({name}, [{forms}]) AS DATE)"
    if name in job.CODES:
        pairs = ", ".join(f"{_quoted(k)}: {_quoted(v)}" for k, v in job.CODES[name].items())
        return f"(MAP {{{pairs}}})[lower({name})]"
    if name == "patient_id":
        return f"CASE WHEN regexp_matches({name}, {_quoted(job.PATIENT_ID)}) THEN {name} END"
    if name == "phone":
        return f"regexp_replace({name}, {_quoted(job.PHONE)}, '+1\\1\\2\\3')"
    if name == "postal_code":
        return (
            f"CASE WHEN regexp_matches({name}, {_quoted(job.ZIP)}) THEN "
            f"CASE WHEN length({name}) = 9 THEN {name}[1:5] || '-' || {name}[6:9] "
            f"ELSE {name} END END"
        )
    if name == "email":
        at = f"instr({name}, '@')"
        return (
            f"CASE WHEN regexp_matches({name}, {_quoted(job.EMAIL)}) "
            f"THEN left({name}, {at}) || lower(substr({name}, {at} + 1)) END"
        )
    return name


def fault(name: str) -> str | None:
    """The reject code of a field's cell, null when it is good."""
    misfit = f"(c.{name} IS NOT NULL AND n_{name} IS NULL)"
    if name == "birth_date":
        return f"""CASE WHEN c.{name} IS NULL THEN 'required'
            WHEN {misfit} AND regexp_matches(c.{name}, {_quoted(job.PARTIAL_DATE)})
                THEN 'partial-date'
            WHEN {misfit} AND regexp_matches(c.{name}, {_quoted(job.LOOKS_LIKE_DATE)})
                THEN 'impossible-date'
            WHEN {misfit} THEN 'type-error'
            WHEN n_{name} < DATE {_quoted(job.FIRST_BIRTH)} THEN 'constraint-error' END"""
    if name == "patient_id":
        return f"CASE WHEN c.{name} IS NULL THEN 'required' WHEN {misfit} THEN 'pattern' END"
    if name == "family_name":
        return f"CASE WHEN c.{name} IS NULL THEN 'required' END"
    if name in job.CODES:
        return f"CASE WHEN {misfit} THEN 'code-unknown' END"
    return f"CASE WHEN {misfit} THEN 'pattern' END" if name in ("postal_code", "email") else None


def _stage(db: duckdb.DuckDBPyConnection, source: str) -> None:
    """All rows, converted, each with its fault; counted on the way."""
    db.execute(f"CREATE TEMP VIEW raw AS {read(source)}")
    texts = ", ".join(f"{name} AS r_{name}, {cleaned(name)} AS t_{name}" for name in LABELS)
    words = ", ".join(f"r_{name}, t_{name}, {stated(name)} AS {name}" for name in LABELS)
    values = ", ".join(f"{converted(name)} AS n_{name}" for name in LABELS)
    faults = {name: one for name in LABELS if (one := fault(name)) is not None}
    faults["row"] = f"CASE WHEN n_birth_date > DATE {_quoted(job.TODAY)} THEN 'row-constraint' END"
    coded = ", ".join(f"{one} AS f_{name}" for name, one in faults.items())
    delivered = ", ".join(f"n_{name} AS {name}" for name in LABELS)
    flags = ", ".join(
        f"(r_{name} <> t_{name}) AS x_{name}, ({name} IS NULL AND t_{name} <> '') AS y_{name}, "
        f"({name} <> CAST(n_{name} AS VARCHAR)) AS z_{name}"
        for name in LABELS
    )
    db.execute(f"""
        CREATE TEMP TABLE rows AS
        SELECT record, line, {delivered}, {coded}, {flags}
        FROM (SELECT *, {values} FROM (
            SELECT record, line, {words} FROM (SELECT record, line, {texts} FROM raw))) AS c
    """)
    db.execute(
        "CREATE TEMP VIEW good AS SELECT record, line, "
        + ", ".join(LABELS)
        + " FROM rows WHERE "
        + " AND ".join(f"f_{name} IS NULL" for name in faults)
    )
    parts = " UNION ALL ".join(
        f"SELECT record, line, {_quoted('' if name == 'row' else name)} AS field, f_{name} AS code "
        f"FROM rows WHERE f_{name} IS NOT NULL"
        for name in faults
    )
    db.execute(f"CREATE TEMP TABLE rejects AS {parts}")


def _settle(db: duckdb.DuckDBPyConnection) -> int:
    """Rows of one key made one; returns how many were dropped."""
    db.execute("""
        CREATE TEMP TABLE several AS SELECT * FROM good WHERE patient_id IN (
            SELECT patient_id FROM good GROUP BY patient_id HAVING count(*) > 1)
    """)
    others = [name for name in FIELDS if name in LABELS and name != "patient_id"]
    differs = {n: f"count(DISTINCT lower(CAST({n} AS VARCHAR))) > 1" for n in others}
    whens = [f"WHEN {differs[name]} THEN '{name}/key-conflict'" for name in job.CONFLICT]
    whens += [f"WHEN {differs[name]} THEN '{name}/primary-key'" for name in others]
    db.execute(f"""
        CREATE TEMP TABLE wrong AS SELECT * FROM (
            SELECT patient_id, CASE {" ".join(whens)} END AS why FROM several GROUP BY patient_id)
        WHERE why IS NOT NULL
    """)
    db.execute("""
        INSERT INTO rejects SELECT record, line, split_part(why, '/', 1), split_part(why, '/', 2)
        FROM several JOIN wrong USING (patient_id)
    """)
    full = " + ".join(f"CAST({name} IS NOT NULL AS INTEGER)" for name in LABELS)
    order = "ORDER BY full_cells DESC, record"
    firsts = ", ".join(
        f"first({name} {order}) FILTER ({name} IS NOT NULL) AS {name}" for name in others
    )
    db.execute(f"""
        CREATE TEMP TABLE merged AS
        SELECT first(record {order}) AS record, patient_id, {firsts} FROM (
            SELECT *, {full} AS full_cells FROM several
            WHERE patient_id NOT IN (SELECT patient_id FROM wrong))
        GROUP BY patient_id
    """)
    found = db.execute(
        "SELECT (SELECT count(*) FROM several) - (SELECT count(*) FROM merged) - "
        "(SELECT count(*) FROM several JOIN wrong USING (patient_id))"
    ).fetchall()
    return int(found[0][0])


def main(source: str, folder: str) -> None:
    """Do the job and write its three files."""
    db = duckdb.connect()
    db.execute("SET threads = 2")
    _stage(db, source)
    dropped = _settle(db)
    listed = ", ".join(LABELS)
    columns = ", ".join(name if name in LABELS else f"NULL AS {name}" for name in FIELDS)
    db.execute(f"""
        COPY (SELECT {columns} FROM (
            SELECT record, {listed} FROM good
            WHERE patient_id NOT IN (SELECT DISTINCT patient_id FROM several)
            UNION ALL SELECT record, {listed} FROM merged) ORDER BY record)
        TO {_quoted(folder + "/patients.csv")} (HEADER)
    """)
    db.execute(f"""
        COPY (SELECT record, CAST(line AS BIGINT) AS line, field, code FROM rejects ORDER BY record)
        TO {_quoted(folder + "/rejects.csv")} (HEADER)
    """)
    sums = ", ".join(
        f'count_if(x_{n}) AS "{n}/cleaned", count_if(y_{n}) AS "{n}/missing-word", '
        f'count_if(z_{n}) AS "{n}/converted"'
        for n in LABELS
    )
    cursor = db.execute(f"SELECT count(*) AS rows, max(record) AS read, {sums} FROM rows")
    names = [one[0] for one in cursor.description]
    one = dict(zip(names, cursor.fetchall()[0], strict=True))
    changed: dict[str, dict[str, int]] = {}
    for key, cells in one.items():
        if "/" in key:
            name, reason = key.split("/")
            changed.setdefault(name, {})[reason] = cells
    rejected = db.execute("SELECT count(DISTINCT record) FROM rejects").fetchall()[0][0]
    counts = {
        "read": one["read"],
        "written": one["rows"] - rejected - dropped,
        "rejected": rejected,
        "duplicate": dropped,
        "skipped": one["read"] - one["rows"],
        "changed": changed,
    }
    (Path(folder) / "counts.json").write_text(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
