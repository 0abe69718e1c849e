"""The language of contract checks: read once, typed, evaluated on whole columns."""
