"""How fast a peer samples, in a process of its own; prints one line of JSON, the last.

    PYTHON -m benchmarks.peers.rates MODEL TRAIN.parquet CATEGORIES.json ROWS SEED EPOCHS REPEATS

The fit is short: the rate of sampling does not depend on how long it was. The first sample is not counted.
"""

from __future__ import annotations

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.peers.adapters import PEERS
from benchmarks.peers.timing import timed


def main(arguments: list[str]) -> None:
    model, source, columns = arguments[:3]
    rows, seed, epochs, repeats = map(int, arguments[3:7])
    fitted = PEERS[model](pq.read_table(source), json.loads(Path(columns).read_text()), seed, epochs)
    fitted.sample(1000)
    seconds, processor = timed(lambda: fitted.sample(rows), repeats)
    versions = {name: version(name) for name in fitted.packages}
    print(json.dumps({"seconds": seconds, "processor_seconds": processor, "versions": versions}), flush=True)
    os._exit(0)  # some peers leave worker threads that outlive the interpreter's own end


if __name__ == "__main__":
    main(sys.argv[1:])
