"""What the checks of this folder share: a table, what is public about it, other rows, and a training.

The suite goes through the ways in which private generators were found to leak. Each check is one that our code
passes and that deliberately broken copies fail.

Sources: Annamalai et al. 2024 (arXiv:2405.10994), Ganev and De Cristofaro 2023 (2312.05114), Ganev et al. 2024 and
2025 (2406.13985, 2504.08254), Chua et al. 2024 (2403.17673), Cebere et al. 2026 (2602.17454) and the pitfalls that
libraries for private training list. Noise in floating point has `test_floating_point.py` to itself.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.schema import Column, Schema

SUBJECTS = 100
EVENT = TrainingEvent(
    probability=0.25, steps=1, noise_multiplier=2.0, clipping_norm=0.7, parameters=6, units=SUBJECTS,
    units_bound=SUBJECTS, batch_size=64,
)  # fmt: skip


def table(rows: int = 400, seed: int = 1) -> pa.Table:
    """Rows that fall short of what is declared: no missing `lab`, one `ward`, no "x"; two visits a person."""
    rng = np.random.default_rng(seed)
    return pa.table({
        "person": [f"{seed}-{i // 2}" for i in range(rows)],
        "age": rng.integers(30, 60, rows),
        "sex": rng.choice(["f", "m"], rows),
        "cost": rng.normal(size=rows).round(2),
        "lab": rng.random(rows).round(3) + 1,
        "ward": ["north"] * rows,
    })  # fmt: skip


def other_table() -> pa.Table:
    """Another number of other people, other in all that could be read off: nulls, levels, bounds, decimals."""
    rng = np.random.default_rng(9)
    return pa.table({
        "person": pa.array([None, *(f"other {i}" for i in range(250))]),
        "age": rng.integers(0, 120, 251),
        "sex": pa.array(rng.choice(["m", "x"], 251), mask=rng.random(251) < 0.1),
        "cost": pa.array(rng.normal(5, 1, 251).round(1)),
        "lab": pa.array(rng.random(251), mask=rng.random(251) < 0.5),
        "ward": rng.choice(["north", "south"], 251),
    })  # fmt: skip


def person() -> pa.Table:
    """A rare person's only row, extreme and outside of the bounds."""
    return pa.table({
        "person": ["new"], "age": [130], "sex": ["x"], "cost": [200.0], "lab": pa.array([None], pa.float64()),
        "ward": ["south"],
    })  # fmt: skip


def public() -> Schema:
    """What is known of the table without reading it; each row is a person."""
    return Schema(
        columns=(
            Column(name="person", kind="identifier", type="string", nullable=True, output="regenerate"),
            Column(name="age", kind="integer", type="int64", bounds=(0, 130), resolution=1.0),
            Column(name="sex", kind="category", type="string", levels=("f", "m", "x"), nullable=True),
            Column(name="cost", kind="continuous", type="double", bounds=(-10.0, 10.0), resolution=0.01),
            Column(name="lab", kind="continuous", type="double", bounds=(0.0, 3.0), nullable=True),
            Column(name="ward", kind="category", type="string", levels=("north", "south")),
        )
    )
