"""Contracts: what a clean table looks like, read from YAML and checked before anything runs."""
