"""The daemon: watch, claim, schedule, record."""
