"""A proposed contract from sample files."""
