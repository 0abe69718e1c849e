"""The command line: rich text for people, `--json` for programs. One module a family of verbs.

Nothing heavy is imported here: a command pays only for what it uses.
"""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point of the `harmonizer` command."""
    from daemon.cli.root import app

    app(prog_name="harmonizer", args=sys.argv[1:])
