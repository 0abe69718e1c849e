"""Readers: one module a format. All yield batches of text columns with source positions."""

from __future__ import annotations

from pipeline.formats.registry import open_table

__all__ = ["open_table"]
