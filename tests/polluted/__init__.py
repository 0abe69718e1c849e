"""Polluted text files with their truth, made from a seed: what people and their programs really do.

The kinds follow what was published about polluted files (Vitagliano et al., "Pollock: A Data
Loading Benchmark", VLDB 2023; van den Burg et al., "Wrangling messy CSV files", 2019). The tables,
the text and the code are our own.
"""
