"""One fit of a peer in a process of its own; prints one line of JSON, the last.

    PYTHON -m benchmarks.peers.run MODEL TRAIN.parquet CATEGORIES.json OUT.parquet ROWS SEED [EPOCHS]

Importing the peer is not counted. EPOCHS replaces its default, for trying out the script.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from importlib import import_module
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.peers.adapters import PEERS
from benchmarks.peers.cells import restored
from benchmarks.peers.memory import peak_megabytes

_MODULES = {"ctgan": "ctgan", "tvae": "ctgan", "mostlyai": "mostlyai.engine", "arf": "arfpy.arf"}


def main(arguments: list[str]) -> None:
    model, source, columns, out = arguments[:4]
    rows, seed = map(int, arguments[4:6])
    epochs = int(arguments[6]) if len(arguments) > 6 else None
    table = pq.read_table(source)
    categories = json.loads(Path(columns).read_text())
    import_module(_MODULES[model])
    _seed(seed)
    started, processor = time.perf_counter(), time.process_time()
    fitted = PEERS[model](table, categories, seed, epochs)
    fit, processor = time.perf_counter(), time.process_time() - processor
    frame = fitted.sample(rows)
    sampled = time.perf_counter()
    peak = peak_megabytes()
    pq.write_table(restored(frame, table.schema, categories), out)
    result = {
        "fit_seconds": fit - started, "fit_processor_seconds": processor,
        "sample_seconds": sampled - fit, "sample_rows": rows,
        "rows_a_second": rows / (sampled - fit), "peak_megabytes": peak, "epochs": epochs,
        "versions": {name: version(name) for name in fitted.packages}, "notes": fitted.notes,
    }  # fmt: skip
    print(json.dumps(result), flush=True)
    os._exit(0)  # some peers leave worker threads that outlive the interpreter's own end


def _seed(seed: int) -> None:
    torch = import_module("torch")
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


if __name__ == "__main__":
    main(sys.argv[1:])
