"""The product itself, with every feature on, as a worker runs it."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

from pipeline.harmonize import harmonize_file
from pipeline.messages import HarmonizeTask

CONTRACTS = Path(__file__).parents[2] / "pipeline" / "contracts"
_GARBAGE_AT = 10_000
NOW_S = 1_800_000_000.0  # 2027-01-15


def main(source: str, folder: str) -> None:
    """Harmonize one file and say what was counted."""
    gc.freeze()  # as `daemon.executors.worker`: what is loaded is never garbage
    gc.set_threshold(_GARBAGE_AT)
    result = harmonize_file(
        HarmonizeTask(
            source=source,
            staging_dir=folder,
            contracts_dir=str(CONTRACTS),
            job="j1",
            now_s=NOW_S,
            contract="patients",
            source_path=Path(source).name,
        )
    )
    if result.questions:
        raise SystemExit("the file is held: " + " ".join(result.questions))
    report = json.loads((Path(folder) / "report.json").read_text())
    print(json.dumps(report["timings_s"]), file=sys.stderr)


if __name__ == "__main__":
    main(*sys.argv[1:])
