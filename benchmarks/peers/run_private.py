"""One private fit of a peer in a process of its own; prints one line of JSON, the last.

    PYTHON -m benchmarks.peers.run_private PEER TRAIN.parquet SCHEMA.json OUT.parquet ROWS SEED EPSILON DELTA

Importing the peer is not counted. SEED draws nothing that privacy rests on where the peer keeps them apart.
"""

from __future__ import annotations

import json
import os
import sys
from importlib import import_module
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.peers.cells import restored
from benchmarks.peers.measure import measured
from benchmarks.peers.private import PRIVATE_PEERS
from benchmarks.peers.public import Public


def main(arguments: list[str]) -> None:
    peer, source, schema, out = arguments[:4]
    rows, seed = map(int, arguments[4:6])
    epsilon, delta = map(float, arguments[6:])
    table = pq.read_table(source)
    public = Public.load(Path(schema))
    module, fit = PRIVATE_PEERS[peer]
    library = import_module(module)
    frame, cost = measured(lambda: fit(library, table, public, seed, epsilon, delta), rows, seed)
    pq.write_table(restored(frame, table.schema, public.categories), out)
    print(json.dumps({**cost, "epsilon": epsilon, "delta": delta}), flush=True)
    os._exit(0)  # some peers leave worker threads that outlive the interpreter's own end


if __name__ == "__main__":
    main(sys.argv[1:])
