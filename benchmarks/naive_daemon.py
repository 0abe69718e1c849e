"""The daemon people write in an afternoon: watchdog calls back, pandas reads, cleans and writes.

No claim, no database, no rejects, no fsync: it is the peer of the small-files measurement.

    python -m benchmarks.naive_daemon ROOT FILES     # stops after so many files
"""

from __future__ import annotations

import shutil
import sys
import threading
from pathlib import Path

from watchdog.events import FileSystemEvent, FileSystemEventHandler
from watchdog.observers import Observer

from benchmarks.engines.in_pandas_naive import main as harmonize


class Handler(FileSystemEventHandler):
    """Harmonizes every file that is written and closed in the inbox."""

    def __init__(self, root: Path, files: int) -> None:
        self._root, self._left = root, files
        self.done = threading.Event()

    def on_closed(self, event: FileSystemEvent) -> None:
        """A file was written and closed."""
        self._take(Path(str(event.src_path)))

    def _take(self, path: Path) -> None:
        out = self._root / "outbox" / path.stem
        out.mkdir(parents=True)
        harmonize(str(path), str(out))
        shutil.move(path, self._root / "archive" / path.name)
        self._left -= 1
        if not self._left:
            self.done.set()


def main(root: str, files: str) -> None:
    """Watch until so many files were delivered."""
    folder = Path(root)
    for name in ("inbox", "outbox", "archive"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    handler = Handler(folder, int(files))
    observer = Observer()
    observer.schedule(handler, str(folder / "inbox"))
    observer.start()
    (folder / "ready").touch()
    handler.done.wait()
    observer.stop()
    observer.join()


if __name__ == "__main__":
    main(*sys.argv[1:])
