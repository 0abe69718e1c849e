"""Readers: one module a format. All yield batches of text columns with source positions."""
