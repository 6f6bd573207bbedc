"""`fit_many`: many generators of one configuration, each fitted on rows of its own of one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth.codec import Codec
from jaxsynth.codec.layout import Encoded
from jaxsynth.codec.packed import pack
from jaxsynth.errors import TableError
from jaxsynth.fitting import described, require_columns, rows_to_learn, warn_of_identifiers
from jaxsynth.models import Autoregressive, Generator, Model
from jaxsynth.schema import Schema
from jaxsynth.synthesizer import Synthesizer
from jaxsynth.train import Artefact, library_versions
from jaxsynth.train.loop import Progress
from jaxsynth.train.many import train_many
from jaxsynth.train.progress import progress_bar

_ROWS_AN_INTERVAL = 32  # as `fit` has them at least
_SEEDS = 4

Rows = NDArray[np.int64]
Report = Callable[[Progress], None]
Show = bool | None


def fit_many(
    table: Any,
    rows: Sequence[Any],
    generator: Generator | None = None,
    *,
    schema: Schema | None = None,
    seed: int = 0,
    side_by_side: int | None = None,
    progress: bool | None = None,
) -> Iterator[Synthesizer]:
    """Train one configuration on many sets of rows of a table: halves, folds, bootstrap samples, or seeds.

    Each is trained, calibrated and stopped as by `fit`, on its own rows alone. What differs: levels, intervals and
    the frequencies that training starts from are those of the whole table, so these sets of rows know of one
    another what a codec holds; and samples of a GAN ask for levels as often as the whole table has them.

    The program is compiled once for all sets of as many rows. Accelerators train those side by side, vectorised;
    CPUs one after the other (one a device, see `use_all_cores`), because more at once gains nothing there.

    Args:
        table: anything `fit` takes; n >= 1 rows.
        rows: for each fit the numbers of its rows, integers (m,), m >= 1; they may repeat. Neighbours in this
            sequence that have as many rows are trained together.
        generator: hyper-parameters; `Autoregressive()` by default.
        schema: the table's description; inferred from the whole table if None.
        seed: from which each fit has a seed of its own, the same however many fits there are.
        side_by_side: fits trained at once at most, to bound the memory of an accelerator.
        progress: show a progress bar; None shows it on a terminal.

    Returns:
        The trained generators, in order, each as soon as those beside it are done. Ctrl-C is passed on.

    Raises:
        TableError: the table is unreadable, empty, or has NaN or infinite cells; or `rows` are not of it.
        SchemaError: the schema disagrees with the table, or leaves no column to learn.
        TrainingError: a fit diverged.

    Example:
        >>> import numpy as np, pyarrow as pa, jaxsynth as js
        >>> table = pa.table({"smoker": [True, False] * 50, "age": [40, 60] * 50})
        >>> folds = [np.flatnonzero(np.arange(100) % 2 != fold) for fold in range(2)]
        >>> fits = js.fit_many(table, folds, js.VAE(min_steps=50, epochs=1), seed=0)
        >>> [synth.sample(3, seed=0).num_rows for synth in fits]
        [3, 3]
    """
    source = rows_to_learn(table)
    schema = described(source, schema)
    warn_of_identifiers(schema)
    fits = fitted(
        source,
        rows,
        generator or Autoregressive(),
        schema,
        seed=seed,
        side_by_side=side_by_side,
        progress=progress,
    )
    return (Synthesizer(fit.artefact) for fit in fits)


class Fitted(NamedTuple):
    """A trained generator.

    Attributes:
        artefact: what is kept of it.
        model: by which to sample. Of all fits of a run the same, but for a GAN, whose samples ask for levels as
            often as the model's layout has them.
    """

    artefact: Artefact
    model: Model


def fitted(
    table: pa.Table,
    rows: Sequence[Any],
    generator: Generator,
    schema: Schema,
    *,
    seed: int,
    side_by_side: int | None,
    progress: bool | None,
) -> Iterator[Fitted]:
    """As `fit_many`, of a table that `schema` describes. Neighbours with as many rows share codec and program."""
    require_columns(schema)
    sets = [_row_numbers(own, table.num_rows, s) for s, own in enumerate(rows)]
    pool = _Pool.read(table, generator, schema, max(map(len, sets), default=1))
    seeds = np.random.default_rng([seed, _SEEDS]).integers(0, 2**32, len(sets)).tolist()
    return _trained(_Run.all_of(pool, sets, seeds), side_by_side, progress)


def _row_numbers(rows: Any, count: int, s: int) -> Rows:
    found = np.asarray(rows)
    if found.ndim != 1 or not len(found) or not np.issubdtype(found.dtype, np.integer):
        raise TableError(
            f"rows[{s}]: shape {found.shape} of {found.dtype} are no row numbers; give at least one integer"
        )
    if found.min() < 0 or found.max() >= count:
        odd = found[(found < 0) | (found >= count)][0]
        raise TableError(f"rows[{s}]: the table has no row {odd}; give numbers from 0 to {count - 1}")
    return found.astype(np.int64)


@dataclass(frozen=True, eq=False)
class _Pool:
    """The whole table, encoded."""

    generator: Generator
    codec: Codec
    encoded: Encoded

    @classmethod
    def read(cls, table: pa.Table, generator: Generator, schema: Schema, rows: int) -> _Pool:
        """With no more intervals than `fit` has for so many rows."""
        most = min(generator.max_intervals, 1 << max(rows // _ROWS_AN_INTERVAL, 1).bit_length() - 1)
        codec = Codec.fit(schema, table, max_intervals=most)
        return cls(generator, codec, codec.encode(table))


@dataclass(frozen=True, eq=False)
class _Run:
    """Fits of as many rows each, and what they share."""

    pool: _Pool
    codec: Codec
    rows: tuple[Rows, ...]
    seeds: tuple[int, ...]

    @classmethod
    def all_of(cls, pool: _Pool, sets: list[Rows], seeds: list[int]) -> list[_Run]:
        """The fits, cut where the number of rows changes."""
        out = []
        for size, run in groupby(zip(sets, seeds, strict=True), key=lambda fit: len(fit[0])):
            rows, own = zip(*run, strict=True)
            out.append(cls(pool, _scaled(pool.codec, size), rows, own))
        return out

    def trained(self, side_by_side: int | None, report: Report | None) -> Iterator[Fitted]:
        """The fits, in order."""
        generator, layout = self.pool.generator, self.codec.layout
        model = generator.build(layout)
        fits = train_many(
            model,
            layout,
            pack(layout, self.pool.encoded),
            np.stack(self.rows),
            generator.training,
            seeds=self.seeds,
            ending=self._ending,
            side_by_side=side_by_side,
            report=report,
        )
        for s, (params, history) in enumerate(fits):
            artefact = Artefact(
                generator=generator,
                codec=self.codec,
                params=params,
                history=history,
                rows=len(self.rows[s]),
                seed=self.seeds[s],
                versions=library_versions(),
            )
            yield Fitted(artefact, model if model.game is None else self._ending(s))

    def _ending(self, s: int) -> Model:
        """The model that is calibrated to the frequencies of the rows of a fit."""
        codes = zip(self.pool.encoded.codes, self.codec.layout, strict=True)
        counts = [np.bincount(c[self.rows[s]], minlength=spec.size).astype(np.int64) for c, spec in codes]
        own = zip(self.codec.layout, counts, strict=True)
        return self.pool.generator.build(tuple(replace(spec, counts=n) for spec, n in own))


def _trained(runs: list[_Run], side_by_side: int | None, progress: Show) -> Iterator[Fitted]:
    for run in runs:
        with progress_bar(show=progress) as report:
            yield from run.trained(side_by_side, report)


def _scaled(codec: Codec, rows: int) -> Codec:
    """The codec as of so many rows: models are laid out by how many there are."""
    return replace(codec, columns=tuple(replace(c, counts=shared_out(c.counts, rows)) for c in codec.columns))


def shared_out(counts: NDArray[np.int64], rows: int) -> NDArray[np.int64]:
    """Counts in proportion, as whole numbers that add up to `rows`: the largest remainders are rounded up."""
    exact = counts * (rows / counts.sum())
    down: NDArray[np.int64] = np.floor(exact + 1e-9).astype(np.int64)
    up = np.argsort(down - exact, kind="stable")[: rows - int(down.sum())]
    down[up] += 1
    return down
