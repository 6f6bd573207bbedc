"""A fit and a sample, timed: the line of JSON that every peer prints."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from benchmarks.peers.memory import peak_megabytes


class Fitted(NamedTuple):
    """A fitted peer.

    Attributes:
        sample: number of rows -> generated rows.
        notes: what was done to the table, for the record.
        packages: whose versions belong to the figures.
    """

    sample: Callable[[int], pd.DataFrame]
    notes: list[str]
    packages: tuple[str, ...]


def measured(fit: Callable[[], Fitted], rows: int, seed: int) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Generated rows, and what they cost. The peer should be imported before, so that this is not counted."""
    _seed(seed)
    started, processor = time.perf_counter(), time.process_time()
    fitted = fit()
    fit_end, processor = time.perf_counter(), time.process_time() - processor
    frame = fitted.sample(rows)
    sampling = time.perf_counter() - fit_end
    cost = {
        "fit_seconds": fit_end - started, "fit_processor_seconds": processor,
        "sample_seconds": sampling, "sample_rows": rows,
        "rows_a_second": rows / sampling, "peak_megabytes": peak_megabytes(),
        "versions": {name: version(name) for name in fitted.packages}, "notes": fitted.notes,
    }  # fmt: skip
    return frame, cost


def _seed(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
