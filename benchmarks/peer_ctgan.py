"""ctgan's models, run in an environment of their own.

    PYTHON peer_ctgan.py TVAE|CTGAN TRAIN.parquet OUT.parquet EPOCHS

Prints one line of JSON: the seconds of the median epoch, of the whole fit (mixtures and start-up included) and
of sampling, and the version. Imports nothing of jaxsynth: the peers' environment does not have it.
"""

import inspect
import itertools
import json
import statistics
import sys
import time
from collections.abc import Iterator
from importlib.metadata import version

import ctgan
import pandas as pd

STARTED: list[float] = []  # when each epoch began, and when the last ended


def clock(epochs: range, disable: bool) -> Iterator[int]:
    """Stands in for the progress bar that ctgan draws its epochs from: the one place where each can be timed."""
    del disable
    for epoch in epochs:
        STARTED.append(time.perf_counter())
        yield epoch
    STARTED.append(time.perf_counter())


def main(kind: str, source: str, out: str, epochs: int) -> None:
    table = pd.read_parquet(source)
    categories = [c for c in table.columns if table[c].dtype.kind not in "if"]
    table[categories] = table[categories].astype(object).fillna("?")
    synthesizer = getattr(ctgan, kind)
    on_cpu = "enable_gpu" if "enable_gpu" in inspect.signature(synthesizer.__init__).parameters else "cuda"
    vars(sys.modules[synthesizer.__module__])["tqdm"] = clock
    started = time.perf_counter()
    model = synthesizer(epochs=epochs, **{on_cpu: False})
    model.fit(table, discrete_columns=categories)
    fit = time.perf_counter() - started
    epoch = statistics.median(b - a for a, b in itertools.pairwise(STARTED))
    started = time.perf_counter()
    synthetic = model.sample(len(table))
    sampling = time.perf_counter() - started
    synthetic[categories] = synthetic[categories].replace("?", None)
    synthetic.to_parquet(out, index=False)
    result = {"epoch": epoch, "fit": fit, "epochs": epochs, "sample": sampling}
    print(json.dumps({**result, "rows": len(table), "version": version("ctgan")}))


main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
