"""Scores that need a learner: can synthetic rows be told from real ones, and replace them in training.

The learner is scikit-learn's histogram gradient boosting (Friedman 2001; Ke et al. 2017) at its defaults: it
takes nulls and categories as they are, so the scores do not hang on an imputation.
"""

from __future__ import annotations

import importlib
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from jaxsynth.quality.frames import Codes, Floats, Frame, Frames
from jaxsynth.quality.result import Utility
from jaxsynth.schema.column import Column

FOLDS = 3
MIN_ROWS = 30  # a side; below, an AUC says nothing
MAX_ROWS = 50_000  # a side; the AUC's standard error is below 0.002 there
_MAX_CATEGORIES = 255  # what the learner's native categorical splits take
_MANY_CELLS = 10_000_000

# A dependency of scikit-learn without type information.
_threadpoolctl = importlib.import_module("threadpoolctl")


@dataclass(frozen=True)
class Features:
    """What the learner sees of one table.

    Attributes:
        cells: float64 (n, d): numbers, or level codes; NaN for null.
        categorical: bool (d,), which columns are unordered codes.
    """

    cells: Floats
    categorical: NDArray[np.bool_]


def features(frames: Frames, frame: Frame, *, without: str | None = None) -> Features:
    """Lay out the scored columns of one table, in schema order, without the target."""
    columns = [c for c in frames.columns if c.name != without]
    cells = np.empty((frame.rows, len(columns)))
    for i, column in enumerate(columns):
        cells[:, i] = _numbers(frame, column)
    categorical = [
        not c.is_numeric and c.kind != "ordinal" and len(frames.levels[c.name]) <= _MAX_CATEGORIES for c in columns
    ]
    return Features(cells, np.array(categorical, np.bool_))


def _numbers(frame: Frame, column: Column) -> Floats:
    if column.is_numeric:
        return frame.numbers[column.name]
    codes = frame.codes[column.name]
    return np.where(codes < 0, np.nan, codes)


def detection(a: Features, b: Features, *, seed: int) -> float | None:
    """How well boosted trees tell rows of `a` from rows of `b`: mean ROC AUC over three folds.

    Both sides are cut to equal size by a seeded draw, at most 50,000 rows each.

    Returns:
        0.5: no better than guessing. Well below 0.5 is possible and means that rows of one table have
        near-copies in the other. None if a side has fewer than 30 rows.

    Reference: Lopez-Paz and Oquab 2017, "Revisiting classifier two-sample tests".
    """
    size = min(len(a.cells), len(b.cells), MAX_ROWS)
    if size < MIN_ROWS:
        return None
    rng = np.random.default_rng(seed)
    sides = [f.cells[np.sort(rng.permutation(len(f.cells))[:size])] for f in (a, b)]
    x = np.concatenate(sides)
    y = np.repeat([0, 1], size)
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=_state(seed))
    scores = []
    for fit, test in folds.split(x, y):
        probability = _class_probabilities(x[fit], y[fit], x[test], a.categorical, seed, classes=2)[:, 1]
        scores.append(float(roc_auc_score(y[test], probability)))
    return float(np.mean(scores))


def utility(frames: Frames, target: str, *, seed: int) -> Utility | str:
    """Train on synthetic, test on holdout; and train on real, test on holdout.

    Returns:
        The scores, or a sentence that says why there are none.

    Reference: Esteban, Hyland and Raetsch 2017, section 4 (train on synthetic, test on real).
    """
    column = next(c for c in frames.columns if c.name == target)
    y = {
        what: _numbers(frame, column)
        for what, frame in (
            ("training", frames.train),
            ("holdout", frames.holdout),
            ("synthetic", frames.synthetic),
        )
    }
    empty = [what for what, values in y.items() if np.isnan(values).all()]
    if empty:
        return f"utility not scored: target {target!r} has no value in the {empty[0]} table"
    if len(np.unique(y["holdout"][~np.isnan(y["holdout"])])) < 2:
        return f"utility not scored: target {target!r} has a single value in the holdout"
    x = {
        "training": features(frames, frames.train, without=target),
        "holdout": features(frames, frames.holdout, without=target),
        "synthetic": features(frames, frames.synthetic, without=target),
    }
    if x["holdout"].cells.shape[1] == 0:
        return f"utility not scored: no column but the target {target!r}"
    score = _r2 if column.is_numeric else _auc
    synthetic, real = (
        score(_labelled(x[source], y[source]), _labelled(x["holdout"], y["holdout"]), seed)
        for source in ("synthetic", "training")
    )
    return Utility(target=target, metric="r2" if column.is_numeric else "auc", synthetic=synthetic, real=real)


def _labelled(x: Features, y: Floats) -> tuple[Features, Floats]:
    known = ~np.isnan(y)
    return Features(x.cells[known], x.categorical), y[known]


def _r2(train: tuple[Features, Floats], test: tuple[Features, Floats], seed: int) -> float:
    (x, y), (x_test, y_test) = train, test
    # Ticks of time are of order 1e18: in units of the training spread, no squared loss overflows.
    centre, spread = float(y.mean()), float(y.std()) or 1.0
    x_fit, x_held, categorical = _informative(x.cells, x_test.cells, x.categorical)
    model = HistGradientBoostingRegressor(categorical_features=categorical, random_state=_state(seed))
    predicted = np.zeros(len(y_test))
    if x_fit.shape[1]:
        with _threads(x_fit):
            predicted = model.fit(x_fit, (y - centre) / spread).predict(x_held)
    return float(r2_score((y_test - centre) / spread, predicted))


def _auc(train: tuple[Features, Floats], test: tuple[Features, Floats], seed: int) -> float:
    """ROC AUC; beyond two classes the mean of one-vs-rest over the classes of the test table."""
    (x, y), (x_test, y_test) = train, test
    labels = np.unique(np.concatenate([y, y_test]))
    fit_codes, test_codes = np.searchsorted(labels, y), np.searchsorted(labels, y_test)
    probability = _class_probabilities(x.cells, fit_codes, x_test.cells, x.categorical, seed, classes=len(labels))
    present = np.unique(test_codes)
    scored = present[-1:] if len(present) == 2 else present
    return float(np.mean([roc_auc_score(test_codes == c, probability[:, c]) for c in scored]))


def _class_probabilities(
    x: Floats, y: Codes, x_test: Floats, categorical: NDArray[np.bool_], seed: int, *, classes: int
) -> Floats:
    """Predicted probabilities, (n_test, classes); classes unseen in training get 0."""
    out = np.zeros((len(x_test), classes))
    seen = np.unique(y)
    x, x_test, categorical = _informative(x, x_test, categorical)
    if len(seen) < 2 or x.shape[1] == 0:
        out[:, seen] = np.bincount(y, minlength=classes)[seen] / len(y)
        return out
    model = HistGradientBoostingClassifier(
        categorical_features=categorical, random_state=_state(seed), early_stopping=_early_stopping(y)
    )
    with _threads(x):
        out[:, seen] = model.fit(x, y).predict_proba(x_test)
    return out


def _threads(x: Floats) -> AbstractContextManager[object]:
    """Keep the learner to one thread unless there is work for more.

    Its threads wait for each other in busy loops: on a machine whose cores are taken, two threads were 70
    times slower than one (3 s to 230 s on SUPPORT2), and on a free machine hardly faster. The scores do not
    depend on the number of threads.
    """
    limits: AbstractContextManager[object] = _threadpoolctl.threadpool_limits(
        limits=None if x.size > _MANY_CELLS else 1, user_api="openmp"
    )
    return limits


def _early_stopping(y: Codes) -> bool:
    """As scikit-learn's default, but never with a class too rare to be split for validation."""
    return len(y) > 10_000 and int(np.bincount(y)[np.unique(y)].min()) >= 10


def _informative(
    x: Floats, x_test: Floats, categorical: NDArray[np.bool_]
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Without the columns that are null in every training row, which the learner cannot bin."""
    some = ~np.isnan(x).all(axis=0)
    return x[:, some], x_test[:, some], categorical[some]


def _state(seed: int) -> int:
    """Any non-negative seed as the 32 bits scikit-learn takes."""
    return int(np.random.SeedSequence(seed).generate_state(1)[0])
