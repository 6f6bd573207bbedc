"""How much training: which rows, how many steps in how many chunks."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from jaxsynth.models import Training

_MIN_VALIDATION = 50  # held-out rows below which early stopping would follow noise
_LEAST_BATCH = 32  # rows; smaller batches use a vector unit badly and teach no better
_LONGEST_MEAN = (
    1_000  # steps; at the full learning rate parameters wander, and a mean of 20,000 steps is no network
)
_CHUNK_STEPS = 16  # tiny tables run several passes a compiled call


@dataclass(frozen=True)
class Plan:
    """Sizes that a compiled epoch is specialised to."""

    rows: int  # of a chunk
    batch: int
    steps: int  # optimiser steps a chunk
    chunks: int
    training: Training

    @property
    def total_steps(self) -> int:
        """Steps if early stopping does not end training."""
        return self.steps * self.chunks

    @property
    def settled(self) -> int:
        """The first chunk whose held-out loss counts."""
        return int(self.training.settle * self.chunks)

    @property
    def patience(self) -> int:
        """Chunks without improvement that end training."""
        return max(2, int(self.training.patience * self.chunks))

    @property
    def decay(self) -> float:
        """Decay of the moving average: its horizon is a share of the whole run, as far as that is no long way."""
        return 1.0 - 1.0 / min(max(1.0, self.training.ema * self.total_steps), _LONGEST_MEAN)


def make_plan(rows: int, training: Training, windows: int = 1) -> Plan:
    """Chunks and steps for training rows that come in so many windows of `rows` rows each, a chunk a window."""
    batch = min(_batch(rows * windows, training), rows)
    steps = rows // batch
    passes = max(1, _CHUNK_STEPS // (steps * windows))
    epochs = max(training.epochs, math.ceil(training.min_steps / (steps * windows)))
    return Plan(rows, batch, steps * passes, math.ceil(epochs / passes) * windows, training)


def _batch(rows: int, training: Training) -> int:
    """The greatest power of two that gives a pass `pass_steps` steps, if that is less than the batch asked for."""
    if not training.pass_steps:
        return min(training.batch, rows)
    most = 1 << max(rows // training.pass_steps, 1).bit_length() - 1
    return min(training.batch, max(_LEAST_BATCH, most), rows)


def split_rows(rows: int, training: Training, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to train on and to hold out, by a seeded permutation."""
    order = np.random.default_rng(seed).permutation(rows)
    held = held_out(rows, training)
    return np.sort(order[held:]), np.sort(order[:held])


def held_out(rows: int, training: Training) -> int:
    """How many of so many rows are held out."""
    held = int(rows * training.validation)
    return held if held >= _MIN_VALIDATION else 0
