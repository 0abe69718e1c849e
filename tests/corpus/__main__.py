"""Write the corpus into a folder, meant for an inbox: `python -m tests.corpus DIR`.

Every file holds different rows, so none is a duplicate of another.
"""

from __future__ import annotations

import argparse
import os
import subprocess
from pathlib import Path

from tests.corpus.content import hostile_contents
from tests.corpus.kinds import hostile_kinds
from tests.corpus.names import hostile_names
from tests.system.harness import patients


def main() -> None:
    """Fill the folder; what cannot be made here is named and left out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--secret", type=Path, help="a file outside that links shall lead to")
    words = parser.parse_args()
    made = 0
    words.folder.mkdir(parents=True, exist_ok=True)
    secret = words.secret or words.folder.parent / "corpus-secret.csv"
    secret.write_text(patients(2, first=9_000_000))
    for number, hostile in enumerate(hostile_names()):
        path = words.folder / os.fsdecode(hostile.name)
        path.write_text(patients(2, first=100 * number))
        made += 1
    for kind in hostile_kinds():
        try:
            kind.make(words.folder / f"kind-{kind.label}.csv", secret)
            made += 1
        except (OSError, subprocess.CalledProcessError) as error:
            print(f"left out: {kind.label} ({error})")
    for content in hostile_contents():
        (words.folder / f"content-{content.label}").write_bytes(content.data)
        made += 1
    print(f"{made} hostile files in {words.folder}")


if __name__ == "__main__":
    main()
