"""`shadows`: what an attacker trains who holds all real rows and asks which of them a generator learned from.

Shadow generators (Shokri et al. 2017) are fitted like the target, each on one half of the rows; what they release
shows how a release looks with and without any row. Attacks by likelihood ratios (LiRA, Carlini et al. 2022; RMIA,
Zarifzadeh et al. 2024) compare these releases with the target's. The attacks themselves are audits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth.errors import AuditError
from jaxsynth.fitting import described
from jaxsynth.fitting_many import Fitted, fitted
from jaxsynth.models import Autoregressive, Generator
from jaxsynth.sample.blocks import BlockSampler
from jaxsynth.sample.rules import Projection
from jaxsynth.sample.stream import open_stream
from jaxsynth.schema import Schema
from jaxsynth.tables import as_table, check_finite

_HALVES, _RELEASES = 5, 6  # what seeds are for


@dataclass(frozen=True, kw_only=True, eq=False)
class ShadowReleases:
    """Tables that shadow generators released, and which rows each of them had seen.

    Attributes:
        releases: one table a shadow, of the columns that the target releases.
        inside: bool (shadows, pool rows): whether a shadow was fitted on a row. The pool is the training rows and
            then the holdout rows, each in its own order.
        generator: the configuration of all shadows.
        seed: what everything was drawn by.
    """

    releases: tuple[pa.Table, ...]
    inside: NDArray[np.bool_]
    generator: Generator
    seed: int


def shadows(
    train: Any,
    holdout: Any,
    generator: Generator | None = None,
    *,
    schema: Schema | None = None,
    n: int = 16,
    rows: int | None = None,
    seed: int = 0,
    side_by_side: int | None = None,
    progress: bool | None = None,
) -> ShadowReleases:
    """Fit shadow generators on halves of the pool of real rows, and let each release a table.

    Shadows come in pairs that share the pool between them, so each row is inside exactly half of an even number
    of shadows (in a pool of odd size each pair leaves out one row, drawn anew, so that all are of one size). They
    are trained as `fit_many` trains: one codec, with levels and intervals of the whole pool, belongs to what the
    attacker knows; calibration and stopping go by each shadow's own rows. A shadow can thus release a level that
    only rows outside of it have, where a generator whose schema was inferred from its own rows cannot. That makes
    the attack somewhat weaker than it could be on rows with a value of their own; give target and shadows one
    schema, and the levels are the same for both.

    A shadow sees half of the pool: for a target of as many rows, let `train` and `holdout` be of one size. Only
    the tables are kept, not the generators.

    Args:
        train: the rows the target was fitted on; anything `fit` takes.
        holdout: rows it has not seen, with the same columns.
        generator: the target's configuration; `Autoregressive()` by default.
        schema: the target's; inferred from the pool if None.
        n: how many shadows, >= 2. Even numbers are balanced.
        rows: rows of each release, >= 1; as many as `train` has if None.
        seed: drives halves, training and releases; 0 <= seed.
        side_by_side: see `fit_many`.
        progress: show a progress bar; None shows it on a terminal.

    Raises:
        TableError: a table is unreadable, or has NaN or infinite cells.
        SchemaError: the schema disagrees with the pool, or leaves no column to learn.
        AuditError: fewer than two shadows, no row to release, too few rows in the pool, or a holdout with other
            columns.
        TrainingError: a shadow diverged.
    """
    generator = generator or Autoregressive()
    pool, trained = _pool(train, holdout)
    released = trained if rows is None else rows
    if n < 2 or released < 1 or pool.num_rows < 2:
        raise AuditError(
            f"shadows: n={n} on a pool of {pool.num_rows} rows that release {released} rows each; give n >= 2, "
            "at least two real rows and rows >= 1"
        )
    schema = described(pool, schema)
    inside = _halves(pool.num_rows, n, seed)
    fits = fitted(
        pool,
        [np.flatnonzero(own) for own in inside],
        generator,
        schema,
        seed=seed,
        side_by_side=side_by_side,
        progress=progress,
    )
    seeds = np.random.default_rng([seed, _RELEASES]).integers(0, 2**32, n).tolist()
    releases = tuple(_released(fit, rows=released, seed=own) for fit, own in zip(fits, seeds, strict=True))
    return ShadowReleases(releases=releases, inside=inside, generator=generator, seed=seed)


def _pool(train: Any, holdout: Any) -> tuple[pa.Table, int]:
    """Training and holdout rows one below the other, and how many are training rows."""
    tables = {what: as_table(source, what=what) for what, source in (("train", train), ("holdout", holdout))}
    for what, table in tables.items():
        check_finite(table, what=what)
    first, second = tables.values()
    try:
        second = second.select(first.column_names).cast(first.schema)
    except (KeyError, pa.ArrowException) as error:
        raise AuditError(
            f"holdout: its columns are not those of train ({error}); give rows of the same table"
        ) from error
    return pa.concat_tables([first, second]).unify_dictionaries(), first.num_rows


def _halves(pool: int, n: int, seed: int) -> NDArray[np.bool_]:
    """Which rows each shadow sees, bool (n, pool): a random half and then the other half, and so on."""
    rng = np.random.default_rng([seed, _HALVES])
    inside = np.zeros((n, pool), np.bool_)
    half = pool // 2
    for pair in range(0, n, 2):
        order = rng.permutation(pool)
        inside[pair, order[:half]] = True
        inside[pair + 1 : pair + 2, order[half : 2 * half]] = True
    return inside


def _released(fit: Fitted, *, rows: int, seed: int) -> pa.Table:
    codec = fit.artefact.codec
    return open_stream(
        _Sampler(fit.model, codec.layout, fit.artefact.params),
        codec,
        rows=rows,
        seed=seed,
        start=0,
        batch_rows=rows,
        condition=None,
        limits={},
        values={},
        projection=Projection.of(codec, None),
    ).read_all()


class _Sampler(BlockSampler):
    """Samplers of one model run one compiled program, whatever their parameters."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Sampler) and other.model is self.model

    def __hash__(self) -> int:
        return id(self.model)
