"""The version of the state database's tables that this program works with."""

HEAD = "0001"  # the newest revision in migrations/versions; a test compares
