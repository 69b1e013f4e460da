"""What a worker of the torture's cluster loads first, and the client that is killed."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from features.cluster.connection import Cluster
from features.cluster.extraction import extract_on
from features.errors import OnepassError
from features.extract_outcome import RunOptions
from torture import toys

BATCH = 4
NOTES, PAUSE = "ONEPASS_TORTURE_NOTES", "ONEPASS_TORTURE_PAUSE"

if NOTES in os.environ:  # on a worker
    toys.NotingToy.notes = Path(os.environ[NOTES])
    toys.NotingToy.pause = float(os.environ[PAUSE])


def main() -> int:
    """Extract a folder on a cluster, as the command does, or run a command that knows the toy."""
    if sys.argv[1] == "cli":
        import cli

        sys.argv.pop(1)
        cli.main()
    data, folder, address = sys.argv[1:]
    try:
        done = extract_on(
            Cluster(address), toys.photographs_in(Path(data)), toys.settings(), Path(folder),
            RunOptions(batch_size=BATCH, workers=1), note=toys.NOTE,
        )  # fmt: skip
    except OnepassError as error:
        print(f"error: {error}", flush=True)
        return 1
    print(json.dumps({"photographs": len(done.table_rows), "rows": done.rows}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
