"""One function a peer: fit its defaults on a table, return how to sample from it.

A peer is imported when it is asked for: the environment need not hold them all.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.peers.cells import text_categories, without_missing
from benchmarks.peers.measure import Fitted


def ctgan(table: pa.Table, categories: list[str], seed: int, epochs: int | None) -> Fitted:
    """CTGAN of the package ctgan (Xu et al. 2019): 300 epochs by default."""
    from ctgan import CTGAN

    return _ctgan(CTGAN, table, categories, seed, epochs)


def tvae(table: pa.Table, categories: list[str], seed: int, epochs: int | None) -> Fitted:
    """TVAE of the package ctgan (Xu et al. 2019): 300 epochs by default."""
    from ctgan import TVAE

    return _ctgan(TVAE, table, categories, seed, epochs)


def _ctgan(kind: Any, table: pa.Table, categories: list[str], seed: int, epochs: int | None) -> Fitted:
    prepared = without_missing(table, categories)
    options = {} if epochs is None else {"epochs": epochs}
    model = kind(**options, **_on_cpu(kind))
    model.set_random_state(seed)
    model.fit(prepared.frame, discrete_columns=prepared.discrete)
    return Fitted(model.sample, prepared.notes, ("ctgan", "rdt", "torch"))


def _on_cpu(kind: Any) -> dict[str, bool]:
    """The option that keeps the package off GPUs, which it renamed."""
    names = inspect.signature(kind.__init__).parameters
    return {"enable_gpu": False} if "enable_gpu" in names else {"cuda": False}


def mostlyai(table: pa.Table, categories: list[str], seed: int, epochs: int | None) -> Fitted:
    """TabularARGN of mostlyai-engine (Tiwald et al. 2025), defaults; takes missing cells as they are."""
    from mostlyai.engine import TabularARGN

    options = {} if epochs is None else {"max_epochs": float(epochs)}
    model = TabularARGN(random_state=seed, device="cpu", **options)
    model.fit(text_categories(table, categories))
    return Fitted(lambda rows: model.sample(n_samples=rows), [], ("mostlyai-engine", "torch"))


def arf(table: pa.Table, categories: list[str], seed: int, epochs: int | None) -> Fitted:
    """Adversarial random forests of arfpy (Watson et al. 2023), defaults; `epochs` are its adversarial rounds."""
    from arfpy.arf import arf as forest

    if not hasattr(np, "in1d"):  # arfpy 0.1.1 calls a name that numpy 2.4 dropped
        setattr(np, "in1d", np.isin)  # noqa: B010
    prepared = without_missing(table, categories)
    options = {} if epochs is None else {"max_iters": epochs}
    model = forest(x=prepared.frame, random_state=seed, **options)
    model.forde()
    return Fitted(model.forge, prepared.notes, ("arfpy", "scikit-learn"))


def sdv(table: pa.Table, categories: list[str], seed: int, epochs: int | None) -> Fitted:
    """GaussianCopulaSynthesizer of the package sdv, defaults; without epochs or a seed of its own."""
    del seed, epochs
    frame = text_categories(table, categories)
    columns = {n: {"sdtype": "categorical" if n in categories else "numerical"} for n in frame.columns}
    metadata = import_module("sdv.metadata").Metadata.load_from_dict({"tables": {"table": {"columns": columns}}})
    model = import_module("sdv.single_table").GaussianCopulaSynthesizer(metadata)
    model.fit({"table": frame})
    return Fitted(lambda rows: model.sample(num_rows=rows), [], ("sdv", "rdt", "copulas"))


PEERS: dict[str, Callable[[pa.Table, list[str], int, int | None], Fitted]] = {
    "ctgan": ctgan,
    "tvae": tvae,
    "mostlyai": mostlyai,
    "arf": arf,
    "sdv": sdv,
}
