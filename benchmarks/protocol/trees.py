"""XGBoost's two figures: can generated rows be told from real ones, and can they replace them in training.

XGBoost with 100 trees and histogram splits. Detection: depth 6, learning rate .3, nothing tuned. Utility: depth,
learning rate and least weight of a leaf are chosen on a ninth of the rows it learns from, as published. Numbers
go in as they are, a missing number as missing. Categories are split one level against the rest, which are the
splits of one-hot columns without laying them out; a missing category is a level.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

from jaxsynth.quality.frames import Frame, Frames

# Read when the library loads: threads that wait sleep, where they would spin on cores that others need.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
import xgboost

FOLDS = 3
TREES = 100
SETTINGS = {
    "objective": "binary:logistic",
    "tree_method": "hist",
    "max_cat_to_onehot": 1_000_000,
    "nthread": 2,
    "verbosity": 0,
}

Settings = Mapping[str, float]

DETECTOR: Settings = {"max_depth": 6, "learning_rate": 0.3}
CHOICES: list[Settings] = [
    {"max_depth": depth, "learning_rate": rate, "min_child_weight": least}
    for depth in (3, 6, 10)
    for rate in (0.1, 0.3)
    for least in (1, 10)
]
VALIDATION = 9  # one in so many rows chooses among `CHOICES`


@dataclass(frozen=True)
class Cells:
    """What the trees see of one table.

    Attributes:
        values: float32 (n, d): numbers with NaN for missing, categories as codes from 0 (missing).
        kinds: XGBoost's name of each column's kind: "q" number, "c" category.
    """

    values: NDArray[np.float32]
    kinds: tuple[str, ...]

    def take(self, rows: NDArray[np.int64]) -> Cells:
        """Some of the rows."""
        return Cells(self.values[rows], self.kinds)


def cells(frames: Frames, frame: Frame, *, without: str | None = None) -> Cells:
    """Lay out one table's columns, in schema order, without the target."""
    columns = [c for c in frames.columns if c.name != without]
    values = np.empty((frame.rows, len(columns)), np.float32)
    for i, column in enumerate(columns):
        values[:, i] = frame.numbers[column.name] if column.is_numeric else frame.codes[column.name] + 1
    return Cells(values, tuple("q" if c.is_numeric else "c" for c in columns))


def detection(real: Cells, other: Cells, *, seed: int) -> float:
    """ROC AUC of the trees that tell `other` from `real`: the mean of three folds, sides cut to equal size.

    Reference: Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests".
    """
    size = min(len(real.values), len(other.values))
    rng = np.random.default_rng(seed)
    sides = [c.values[np.sort(rng.permutation(len(c.values))[:size])] for c in (real, other)]
    x, y = np.concatenate(sides), np.repeat([0, 1], size)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    return float(np.mean([_auc(x[a], y[a], x[b], y[b], real.kinds, DETECTOR, seed) for a, b in folds.split(x, y)]))


def score(auc: float) -> float:
    """How indistinguishable, as published: 1 at an AUC of one half or less, 0 at 1."""
    return 1.0 - max(0.0, 2.0 * auc - 1.0)


def utility(
    frames: Frames, source: Frame, target: str, positive: str | int, *, test: Frame, seed: int
) -> float | None:
    """ROC AUC on real `test` rows of trees trained on `source`; None where `source` has one class only.

    Rows without a target are left out.

    Reference: Esteban, Hyland and Raetsch 2017, section 4 (train on synthetic, test on real).
    """
    wanted = frames.levels[target].index(str(positive))
    known = [np.flatnonzero(f.codes[target] >= 0) for f in (source, test)]
    y, y_test = (f.codes[target][k] == wanted for f, k in zip((source, test), known, strict=True))
    if y.all() or not y.any():
        return None
    x, x_test = (cells(frames, f, without=target).take(k) for f, k in zip((source, test), known, strict=True))
    own = _chosen(x, y, seed)
    return _auc(x.values, y, x_test.values, y_test, x.kinds, own, seed)


def _chosen(x: Cells, y: NDArray[np.bool_], seed: int) -> Settings:
    """The settings that do best on a part of the rows themselves; never looks at real rows."""
    order = np.random.default_rng(seed).permutation(len(y))
    held, kept = order[: len(y) // VALIDATION], order[len(y) // VALIDATION :]
    if len(np.unique(y[held])) < 2 or len(np.unique(y[kept])) < 2:
        return CHOICES[0]
    parts = (x.values[kept], y[kept], x.values[held], y[held])
    return max(CHOICES, key=lambda own: _auc(*parts, x.kinds, own, seed))


def _auc(
    x: NDArray[np.float32],
    y: NDArray[np.generic],
    x_test: NDArray[np.float32],
    y_test: NDArray[np.generic],
    kinds: tuple[str, ...],
    own: Settings,
    seed: int,
) -> float:
    options = {"feature_types": list(kinds), "enable_categorical": True}
    train = xgboost.DMatrix(x, label=y, **options)
    booster = xgboost.train({**SETTINGS, **own, "seed": seed}, train, num_boost_round=TREES)
    return float(roc_auc_score(y_test, booster.predict(xgboost.DMatrix(x_test, **options))))
