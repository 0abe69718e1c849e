"""Runs a module as `python -m` would, and at its end writes down the most memory it ever held.

The kernel's own figure for a child (`ru_maxrss`) begins with that of the parent.

    python -m benchmarks.inside NOTE MODULE ARGUMENTS...
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path


def peak_kb() -> int:
    """The most memory this process ever held, in KiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    note, module = sys.argv[1:3]
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
    Path(note).write_text(str(peak_kb()))
