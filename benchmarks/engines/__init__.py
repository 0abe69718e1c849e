"""The same job by each engine: `python -m benchmarks.engines.<name> SOURCE FOLDER`.

Each writes `patients.csv` (the delivered rows, in source order), `rejects.csv` (record, line,
field, code) and `counts.json` into FOLDER; see `benchmarks/README.md` for what the job is.
"""
