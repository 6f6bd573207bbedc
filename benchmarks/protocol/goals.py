"""What figures are held against: the best published one of each set, and which way is better.

Best of CTGAN, TVAE, GReaT, STaSy, CoDi, TabSyn, TabDiff, TabPC and a shallow mixture, each set for itself, as
TabPC's authors measured all of them on one GPU (arXiv 2603.23016, means of five models). Their detection is
against training rows; nobody publishes it against held-out ones, so that goal is the same bar. No figures are
published for SUPPORT2 and NHANES.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One column of the results.

    Attributes:
        key: its name in a record's scores.
        title: its name for people.
        better: which way is better; "half": one half is ideal.
        digits: decimals shown.
        goals: set -> best published figure.
    """

    key: str
    title: str
    better: Literal["lower", "higher", "half"]
    digits: int
    goals: dict[str, float]


_SETS = ("adult", "default", "shoppers", "magic", "diabetes130")


def _bars(*values: float) -> dict[str, float]:
    return dict(zip(_SETS, values, strict=True))


_DETECTION = _bars(0.855, 0.591, 0.894, 0.860, 0.792)

FIGURES = (
    Figure(
        key="shape_error", title="shape error %", better="lower", digits=2,
        goals=_bars(0.58, 0.54, 0.90, 0.80, 0.58),
    ),
    Figure(
        key="trend_error", title="trend error %", better="lower", digits=2,
        goals=_bars(1.44, 2.29, 1.78, 0.82, 1.90),
    ),
    Figure(
        key="detection_score_train", title="detection score, train", better="higher", digits=3,
        goals=_DETECTION,
    ),
    Figure(
        key="detection_score_holdout", title="detection score, held out", better="higher", digits=3,
        goals=_DETECTION,
    ),
    Figure(
        key="utility_auc", title="utility AUC", better="higher", digits=3,
        goals=_bars(0.916, 0.762, 0.917, 0.937, 0.687),
    ),
    Figure(
        key="alpha_precision", title="α-precision", better="higher", digits=3,
        goals=_bars(0.996, 0.995, 0.992, 0.995, 0.995),
    ),
    Figure(
        key="beta_recall", title="β-recall", better="higher", digits=3,
        goals=_bars(0.526, 0.515, 0.511, 0.510, 0.451),
    ),
    Figure(
        key="wnmis_error", title="wNMIS error", better="lower", digits=3,
        goals=_bars(0.007, 0.011, 0.007, 0.003, 0.008),
    ),
    Figure(
        key="wnmis_quantile_error", title="wNMIS error, quantile bins", better="lower", digits=3,
        goals={},
    ),
    Figure(
        key="closer_share", title="DCR share", better="half", digits=3,
        goals=_bars(0.51, 0.51, 0.51, 0.51, 0.51),
    ),
)  # fmt: skip
