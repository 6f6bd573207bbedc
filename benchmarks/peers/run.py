"""One fit of a peer in a process of its own; prints one line of JSON, the last.

    PYTHON -m benchmarks.peers.run MODEL TRAIN.parquet CATEGORIES.json OUT.parquet ROWS SEED [EPOCHS]

Importing the peer is not counted. EPOCHS replaces its default, for trying out the script.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.peers.adapters import PEERS
from benchmarks.peers.cells import restored
from benchmarks.peers.measure import measured

_MODULES = {"ctgan": "ctgan", "tvae": "ctgan", "mostlyai": "mostlyai.engine", "arf": "arfpy.arf"}


def main(arguments: list[str]) -> None:
    model, source, columns, out = arguments[:4]
    rows, seed = map(int, arguments[4:6])
    epochs = int(arguments[6]) if len(arguments) > 6 else None
    table = pq.read_table(source)
    categories = json.loads(Path(columns).read_text())
    import_module(_MODULES[model])
    frame, cost = measured(lambda: PEERS[model](table, categories, seed, epochs), rows, seed)
    pq.write_table(restored(frame, table.schema, categories), out)
    print(json.dumps({**cost, "epochs": epochs}), flush=True)
    os._exit(0)  # some peers leave worker threads that outlive the interpreter's own end


if __name__ == "__main__":
    main(sys.argv[1:])
