"""The share of generated rows that lie closer to the training half than to the held-out half of a table."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from jaxsynth.neighbours import neighbours
from jaxsynth.schema import Schema


def closer_share(synthetic: pa.Table, *, train: pa.Table, holdout: pa.Table, schema: Schema) -> float:
    """Share of `synthetic` rows whose nearest training row is nearer than their nearest holdout row.

    Distances are exact, by `jaxsynth.neighbours`; a tie counts half. One half is what a generator that
    memorises nothing gives when both halves are random and of equal size. Blind to memorising that leaves
    distances as they are: a screen, not a proof.
    """
    own, other = (neighbours(t, synthetic, k=1, schema=schema).distances[:, 0] for t in (train, holdout))
    return float(np.mean(np.where(own == other, 0.5, own < other)))
