"""`Query`: one question to the private table, with what one subject can change of its answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth.errors import PrivacyError


@dataclass(frozen=True, kw_only=True)
class Query:
    """Sums over subjects.

    Attributes:
        name: what is asked, as the certificate will say it.
        sensitivity: the largest L2 norm of the change when one subject, with at most as many rows as are kept of
            each, is added or removed.
        statistic: bounded table -> int64 array, whose shape must not depend on any cell.
    """

    name: str
    sensitivity: float
    statistic: Callable[[pa.Table], NDArray[np.int64]]

    def __post_init__(self) -> None:
        if not 0 < self.sensitivity < float("inf"):
            raise PrivacyError(f"query {self.name!r}: sensitivity is {self.sensitivity!r}; give a positive number")
