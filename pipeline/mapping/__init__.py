"""Which column of a source is which field: by name, confirmed mapping or proposal; and drift."""
