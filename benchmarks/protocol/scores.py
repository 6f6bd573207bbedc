"""All figures of one generated table in one dictionary of plain numbers."""

from __future__ import annotations

import pyarrow as pa

from benchmarks.protocol.information import information_error
from benchmarks.protocol.sets import Task, halves
from benchmarks.protocol.support import points, precision_recall
from benchmarks.protocol.trees import cells, detection, score, utility
from jaxsynth.quality.frames import Frames, frames
from jaxsynth.quality.result import average
from jaxsynth.quality.shapes import column_scores
from jaxsynth.quality.trends import pair_scores

Scores = dict[str, float | None]


def of_synthetic(task: Task, synthetic: pa.Table, *, seed: int) -> Scores:
    """Figures of a generated table.

    Shape and trend errors are sdmetrics' (all pairs), 100 (1 - score), against the training table. Detection
    is against the training rows, as published, and against the held-out rows, which memorising does not help.
    """
    coded = frames(task.schema, train=task.train, holdout=task.holdout, synthetic=synthetic)
    train, holdout, other = (cells(coded, f) for f in (coded.train, coded.holdout, coded.synthetic))
    return {
        **_tables(coded),
        **_detection("train", detection(train, other, seed=seed)),
        **_detection("holdout", detection(holdout, other, seed=seed)),
        "utility_auc": _utility(task, coded, seed),
        **_support(coded, seed),
    }


def of_private(task: Task, synthetic: pa.Table, *, seed: int) -> Scores:
    """The figures by which private generators are compared: errors of tables, and utility."""
    coded = frames(task.schema, train=task.train, holdout=task.holdout, synthetic=synthetic)
    return {**_tables(coded), "utility_auc": _utility(task, coded, seed)}


def of_real(task: Task, *, seed: int) -> Scores:
    """The floor: two random halves of all real rows, one in place of the training table, one of the generated.

    The held-out rows alone are too few on most sets: errors of tables shrink with their rows, and a floor from
    1,902 rows lies above what 17,118 generated ones reach. Utility is what trees learn from the training table.
    """
    split = halves(task, seed)
    coded = frames(task.schema, train=split.train, holdout=split.holdout, synthetic=split.holdout)
    told = detection(cells(coded, coded.train), cells(coded, coded.holdout), seed=seed)
    real = frames(task.schema, train=task.train, holdout=task.holdout, synthetic=task.train)
    return {
        **_tables(coded),
        **_detection("train", told),
        **_detection("holdout", told),
        "utility_auc": _utility(task, real, seed),
        **_support(coded, seed),
    }


def _tables(coded: Frames) -> Scores:
    columns = column_scores(coded)
    return {
        "shape_error": _percent(average([c.error for c in columns])),
        "trend_error": _percent(average([p.error for p in pair_scores(coded)])),
        "missing_error": _percent(average([abs(c.missing) for c in columns])),
        "wnmis_error": information_error(coded, coded.train, coded.synthetic, binning="width"),
        "wnmis_quantile_error": information_error(coded, coded.train, coded.synthetic, binning="quantile"),
    }


def _support(coded: Frames, seed: int) -> Scores:
    real, made = (points(coded, coded.train, f) for f in (coded.train, coded.synthetic))
    precision, recall = precision_recall(real, made, seed=seed)
    return {"alpha_precision": precision, "beta_recall": recall}


def _utility(task: Task, coded: Frames, seed: int) -> float | None:
    return utility(coded, coded.synthetic, task.target, task.positive, test=coded.holdout, seed=seed)


def _detection(against: str, auc: float) -> Scores:
    return {f"detection_auc_{against}": auc, f"detection_score_{against}": score(auc)}


def _percent(share: float | None) -> float | None:
    return None if share is None else 100.0 * share
