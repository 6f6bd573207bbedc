"""ctgan's models, run in an environment of their own.

    PYTHON peer_ctgan.py TVAE|CTGAN TRAIN.parquet OUT.parquet EPOCHS

Prints one line of JSON: the seconds of a one-epoch fit (mixtures and start-up), of the whole fit and of
sampling, and the version. Imports nothing of jaxsynth: the peers' environment does not have it.
"""

import inspect
import json
import sys
import time
from importlib.metadata import version

import ctgan
import pandas as pd


def main(kind: str, source: str, out: str, epochs: int) -> None:
    table = pd.read_parquet(source)
    categories = [c for c in table.columns if table[c].dtype.kind not in "if"]
    table[categories] = table[categories].astype(object).fillna("?")
    synthesizer = getattr(ctgan, kind)
    on_cpu = "enable_gpu" if "enable_gpu" in inspect.signature(synthesizer.__init__).parameters else "cuda"
    fits = {}
    for count in (1, epochs):
        started = time.perf_counter()
        model = synthesizer(epochs=count, **{on_cpu: False})
        model.fit(table, discrete_columns=categories)
        fits[count] = time.perf_counter() - started
    started = time.perf_counter()
    synthetic = model.sample(len(table))
    sampling = time.perf_counter() - started
    synthetic[categories] = synthetic[categories].replace("?", None)
    synthetic.to_parquet(out, index=False)
    result = {"one_epoch": fits[1], "fit": fits[epochs], "epochs": epochs, "sample": sampling}
    print(json.dumps({**result, "rows": len(table), "version": version("ctgan")}))


main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
