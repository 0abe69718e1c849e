"""The raw view of a text file: its table as a person would read it, before any contract.

Where a delivery would stop and ask, the raw view gives the best reading and says how sure it is.
"""
