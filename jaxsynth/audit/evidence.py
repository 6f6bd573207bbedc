"""What an audit leaves behind for each row, before anything is counted.

The same evidence is judged once over all rows and once for every group of patients: an audit is a way of
collecting evidence, and a breakdown needs nothing of the audit but the rows behind each value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from jaxsynth.audit.intervals import CONFIDENCE
from jaxsynth.audit.result import AuditResult

TableName = Literal["synthetic", "train", "holdout"]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Rows:
    """The rows of a table that values belong to, one for each value.

    Attributes:
        table: which table.
        at: positions in it. Int64 of shape (n,).
    """

    table: TableName
    at: NDArray[np.int64]

    def among(self, chosen: Mask) -> Rows:
        """Those of the values that `chosen` marks. Shape (n,)."""
        return Rows(self.table, self.at[chosen])


class Evidence(Protocol):
    """Values of the rows an audit attacked, and of the rows it compares them with."""

    @property
    def sides(self) -> tuple[Rows, Rows]:
        """The rows attacked and the rows of the baseline."""

    def among(self, attacked: Mask, baseline: Mask) -> Self:
        """The same evidence of some of the rows: masks over the two sides. May leave a side empty."""

    def results(self, *, seed: int, confidence: float = CONFIDENCE) -> tuple[AuditResult, ...]:
        """Count and judge; both sides have rows."""
