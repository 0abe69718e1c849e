"""The command line: rich text for people, `--json` for programs. One module a family of verbs.

Nothing heavy is imported here: a command pays only for what it uses.
"""

from __future__ import annotations

import gc
import sys

_NEW_OBJECTS = 50_000  # that may hold others, before they are looked through


def main() -> None:
    """Entry point of the `harmonizer` command."""
    gc.set_threshold(_NEW_OBJECTS)  # a command imports and ends: there is next to no garbage
    from daemon.cli.root import app

    app(prog_name="harmonizer", args=sys.argv[1:])
