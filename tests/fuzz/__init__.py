"""Damaged files of every format, made by the thousand: `make fuzz`, or `python -m tests.fuzz`."""
