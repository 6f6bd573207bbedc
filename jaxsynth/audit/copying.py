"""Evidence of copying: which training rows lie nearest each synthetic row, and nearest each holdout row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jaxsynth.audit.copies import exact_copies, near_copies
from jaxsynth.audit.distance import Nearest, curve, dcr, nndr
from jaxsynth.audit.evidence import Mask, Rows
from jaxsynth.audit.inputs import AuditTables
from jaxsynth.audit.intervals import CONFIDENCE
from jaxsynth.audit.result import AuditResult, DistanceCurve
from jaxsynth.neighbours import Cells, search


@dataclass(frozen=True, eq=False)
class CopyEvidence:
    """The nearest training rows of synthetic rows and, for comparison, of holdout rows.

    Attributes:
        synthetic: the rows audited.
        holdout: real rows the generator has not seen.
        mine: what lies nearest the synthetic rows.
        real: what lies nearest the holdout rows.
    """

    synthetic: Rows
    holdout: Rows
    mine: Nearest
    real: Nearest

    @property
    def sides(self) -> tuple[Rows, Rows]:
        return self.synthetic, self.holdout

    @property
    def curves(self) -> tuple[DistanceCurve, DistanceCurve]:
        """Both distributions of both distance figures."""
        distances = self.mine.distances[:, 0], self.real.distances[:, 0]
        return curve("dcr", *distances), curve("nndr", self.mine.ratios, self.real.ratios)

    def among(self, attacked: Mask, baseline: Mask) -> CopyEvidence:
        return CopyEvidence(
            self.synthetic.among(attacked),
            self.holdout.among(baseline),
            self.mine.among(attacked),
            self.real.among(baseline),
        )

    def results(self, *, seed: int, confidence: float = CONFIDENCE) -> tuple[AuditResult, ...]:
        distances = self.mine.distances[:, 0], self.real.distances[:, 0]
        return (
            exact_copies(*distances, seed=seed, confidence=confidence),
            near_copies(*distances, seed=seed, confidence=confidence),
            dcr(self.mine, self.real, seed=seed, confidence=confidence),
            nndr(self.mine, self.real, seed=seed, confidence=confidence),
        )


def copying(tables: AuditTables) -> CopyEvidence:
    """Search the training rows for what lies nearest every synthetic and every holdout row."""
    return CopyEvidence(
        Rows("synthetic", np.arange(len(tables.synthetic[0]))),
        Rows("holdout", np.arange(len(tables.holdout[0]))),
        nearest_training(tables, tables.synthetic),
        nearest_training(tables, tables.holdout),
    )


def nearest_training(tables: AuditTables, rows: Cells) -> Nearest:
    """The two nearest training rows of each row."""
    found = search(tables.train, rows, tables.schema, k=2, threads=tables.threads)
    return Nearest(found.distances, found.rows[:, 0])
