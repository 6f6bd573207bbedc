"""Every audit once more for groups of patients: a declared subgroup, or how outlying a patient is.

What holds on average need not hold for the rare patient, who is the one a generator remembers. Groups of one
breakdown are many questions: their limits cover all of them together (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from jaxsynth.audit.evidence import Evidence, Mask, Rows, TableName
from jaxsynth.audit.inputs import AuditTables
from jaxsynth.audit.intervals import CONFIDENCE, Floats
from jaxsynth.audit.outlying import tenths
from jaxsynth.audit.result import AuditResult, GroupAudit
from jaxsynth.errors import AuditError
from jaxsynth.neighbours import stacked
from jaxsynth.schema.arrow_types import is_time

MOST_LEVELS = 20
LEAST_ROWS = 100  # with fewer against many, limits of a difference of shares fail too often
OUTLYINGNESS = "outlyingness"
MISSING = "(missing)"
Codes = Mapping[TableName, NDArray[np.int64]]


@dataclass(frozen=True, eq=False)
class Labels:
    """Which group each row is in.

    Attributes:
        by: the column, or "outlyingness".
        names: of the groups.
        patients: group of each row, for audits whose targets are real patients. Int64, one array a table.
        released: the same for audits of released rows.
    """

    by: str
    names: tuple[str, ...]
    patients: Codes
    released: Codes

    def of(self, rows: Rows, attacked: TableName) -> NDArray[np.int64]:
        """Group of each of the rows, where rows of the table `attacked` are attacked."""
        codes = self.released if attacked == "synthetic" else self.patients
        return codes[rows.table][rows.at]


def by_column(tables: AuditTables, name: str) -> Labels:
    """Group rows by their own cell in a column of at most 20 different values.

    Raises:
        AuditError: the column is not modelled, or has too many values.
    """
    names = [c.name for c in tables.schema.modelled]
    if name not in names:
        raise AuditError(f"subgroup: {name!r} is not a modelled column; these are {names}")
    at = names.index(name)
    if is_time(tables.schema.modelled[at].arrow_type):
        raise AuditError(
            f"subgroup: column {name!r} holds times; give a column that sorts patients into few groups"
        )
    cells = stacked([(side[at],) for side in (tables.synthetic, tables.train, tables.holdout)])[0]
    encoded = pc.fill_null(pc.cast(cells, "string"), MISSING).dictionary_encode()
    order = np.argsort(levels := np.array(encoded.dictionary.to_pylist(), object), kind="stable")
    if len(levels) > MOST_LEVELS:
        raise AuditError(
            f"subgroup: column {name!r} has {len(levels)} different values, a breakdown takes at most "
            f"{MOST_LEVELS}; give a column that sorts patients into few groups"
        )
    codes = np.argsort(order)[encoded.indices.to_numpy()].astype(np.int64)
    ends = np.cumsum([len(tables.synthetic[0]), len(tables.train[0])])
    parts: Codes = dict(zip(("synthetic", "train", "holdout"), np.split(codes, ends), strict=True))
    return Labels(name, tuple(str(x) for x in levels[order]), parts, parts)


def by_outlyingness(
    train_values: Floats, holdout_values: Floats, *, synthetic: NDArray[np.int64], holdout: NDArray[np.int64]
) -> Labels:
    """Group rows by tenths of the training rows' outlyingness; the tenth is the most outlying.

    A patient belongs to the tenth of its own outlyingness. A row that is held against the training rows belongs
    to that of the training row it lies nearest: a copy of an outlying patient is that patient's.

    Args:
        train_values: outlyingness of the training rows among the others.
        holdout_values: outlyingness of the holdout rows among the training rows.
        synthetic: the training row nearest each synthetic row.
        holdout: the training row nearest each holdout row.
    """
    patients: Codes = {
        "train": tenths(train_values, train_values),
        "holdout": tenths(train_values, holdout_values),
    }
    released: Codes = {"synthetic": patients["train"][synthetic], "holdout": patients["train"][holdout]}
    return Labels(OUTLYINGNESS, tuple(f"tenth {i}" for i in range(1, 11)), patients, released)


def break_down(evidence: Sequence[Evidence], labels: Labels, *, seed: int) -> tuple[GroupAudit, ...]:
    """Judge all evidence in each group; what has fewer than 100 rows on one side in a group is left out there."""
    confidence = 1 - (1 - CONFIDENCE) / len(labels.names)
    audits = []
    for code, name in enumerate(labels.names):
        results = [r for e in evidence for r in _among(e, labels, code, seed=seed, confidence=confidence)]
        audits.append(GroupAudit(by=labels.by, group=name, results=tuple(results)))
    return tuple(audits)


def _among(
    evidence: Evidence, labels: Labels, code: int, *, seed: int, confidence: float
) -> tuple[AuditResult, ...]:
    attacked, baseline = evidence.sides
    masks: list[Mask] = [labels.of(side, attacked.table) == code for side in (attacked, baseline)]
    if min(mask.sum() for mask in masks) < LEAST_ROWS:
        return ()
    return evidence.among(*masks).results(seed=seed, confidence=confidence)
