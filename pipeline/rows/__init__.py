"""Rows as wholes: hashing, keys, duplicates, splitting, storing."""
