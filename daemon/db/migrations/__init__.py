"""The history of the schema, as alembic revisions. Loaded only when there is something to do."""
