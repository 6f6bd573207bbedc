"""`Ledger`: the only object that may hold the private table. It charges before it reads, and never afterwards."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import NoReturn, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth.errors import BudgetError, PrivacyError
from jaxsynth.privacy.accounting import MEASURE_GRID
from jaxsynth.privacy.books import Books
from jaxsynth.privacy.budget import MEASURED_DRAWS
from jaxsynth.privacy.contributions import bound_rows, subject_codes, unit_layout
from jaxsynth.privacy.events import Event
from jaxsynth.privacy.levels import KeyQuery, select_keys
from jaxsynth.privacy.plan import Plan
from jaxsynth.privacy.query import Query
from jaxsynth.privacy.randomness import Randomness
from jaxsynth.schema import Level, Schema

T = TypeVar("T")

_WIDEST = 2.0**27
"""Grid steps that the sampler's noise may span."""


class Ledger:
    """A private table behind a plan.

    Rows whose subject is missing are dropped, and of every other subject `rows_per_subject` rows are kept at
    random, before anything else. Without a subject column each row is a subject.

    Attributes:
        plan: what may be spent.
        subject: the column that names subjects; None: each row is one.
        noise_name: where noise comes from, in words.
        private: False where noise is derived from a seed.

    Raises:
        PrivacyError: the table lacks the subject column or has more subjects than `Privacy.rows` says, or the
            noise is not of the kind that the plan says.
    """

    __slots__ = (
        "_books",
        "_count",
        "_draws",
        "_randomness",
        "_table",
        "_units",
        "noise_name",
        "private",
        "subject",
    )

    def __init__(self, table: pa.Table, schema: Schema, plan: Plan, randomness: Randomness) -> None:
        seeded = plan.privacy.deterministic_noise
        if randomness.private == seeded:
            raise PrivacyError(
                f"ledger: deterministic_noise is {seeded}, noise is {randomness.name!r}; make both agree"
            )
        # Nothing else of the schema: before discovery it may hold what was read off the table.
        self.subject, self.noise_name, self.private = schema.subject, randomness.name, randomness.private
        self._randomness, self._books = randomness, Books(plan)
        kept = bound_rows(subject_codes(table, schema.subject), self.rows_per_subject, randomness.uniforms)
        self._table = table if len(kept) == table.num_rows else table.take(pa.array(kept))
        self._units = unit_layout(subject_codes(self._table, schema.subject), self.rows_per_subject)
        rows = plan.privacy.rows
        # Fewer are fine: where subjects are emptied, an empty one may as well be absent.
        if rows is not None and len(self._units) > rows:
            raise PrivacyError(f"ledger: the table has more subjects than rows={rows}; give the public number")
        self._count: int | None = rows
        self._draws = 0

    @property
    def plan(self) -> Plan:
        """What may be spent."""
        return self._books.plan

    @property
    def rows_per_subject(self) -> int:
        """How many rows of a subject are kept at most."""
        return self.plan.privacy.rows_per_subject

    @property
    def events(self) -> tuple[Event, ...]:
        """What was charged so far, in order."""
        return self._books.events

    def count(self) -> int:
        """Return the number of subjects: public, or noisy, at least 1 and charged at the first call."""
        if self._count is None:
            self._books.count()
            self._count = max(1, len(self._units) + self._randomness.laplace(self.plan.epsilon_count))
        return self._count

    def noise(self, query: Query | KeyQuery, *, stage: str, part: float = 1.0) -> float:
        """Return the standard deviation of the noise that `measure` or `select` would add; public, and free.

        Raises:
            BudgetError: no such stage.
        """
        return self._books.noise(query.sensitivity, stage=stage, part=part)

    def measure(self, query: Query, *, stage: str, part: float = 1.0) -> NDArray[np.float64]:
        """Answer a query with discrete Gaussian noise.

        Args:
            query: what to sum.
            stage: that pays.
            part: of the stage's squared Gaussian parameter, above 0; parts of a stage add up to at most 1.

        Returns:
            The sums with noise of standard deviation `noise(query, ...)`, in the shape of the statistic.

        Raises:
            BudgetError: no such stage, or more than is left of it; nothing was read.
            PrivacyError: the noise would be too wide for the grid of the query, or its sums are not int64.
        """
        sigma = self.noise(query, stage=stage, part=part)
        scale = _scale(query, sigma)
        self._books.measure(query.name, query.sensitivity, stage=stage, part=part)
        sums = query.statistic(self._table)
        if not isinstance(sums, np.ndarray) or sums.dtype != np.int64:
            raise PrivacyError(f"query {query.name!r}: the statistic must return an int64 array; cast its sums")
        # Integer sums wrap around and stay integers: no cell can overflow into an error.
        return (sums * np.int64(scale) + self._draw(query, sums.shape, sigma * scale)) / float(scale)

    def select(self, query: KeyQuery, *, stage: str, part: float = 1.0) -> dict[Level, float]:
        """Name the keys that many subjects have.

        Args:
            query: what to count; its delta is taken from `plan.levels_delta`.
            stage: that pays.
            part: as in `measure`.

        Returns:
            Keys whose noisy counts exceed the query's threshold, with these counts.

        Raises:
            BudgetError: as in `measure`, or more delta than is left for selections; nothing was read.
            PrivacyError: the noise would be too wide for whole numbers.
        """
        sigma = self.noise(query, stage=stage, part=part)
        scale = _scale(query, sigma)
        self._books.measure(query.name, query.sensitivity, stage=stage, part=part, variation=query.delta)
        counts = query.statistic(self._table)
        noise = self._draw(query, (len(counts),), sigma * scale) / float(scale)
        return select_keys(counts, noise, query.threshold(sigma))

    def training_rows(self, read: Callable[[pa.Table, NDArray[np.int64]], T], *, plan: Plan) -> T:
        """Hand the rows to a training, once.

        Args:
            read: takes the bounded table and the row numbers of its subjects, int64 (subjects, rows_per_subject)
                padded with -1; what it returns is private.
            plan: this ledger's, with training.

        Raises:
            BudgetError: rows were handed out before, or the plan is another; nothing was read.
        """
        training = plan.training
        if training is None or replace(plan, training=None) != self.plan:
            raise BudgetError("ledger: not this ledger's plan with training; use ledger.plan.with_training(...)")
        if training.units != self._count:
            raise BudgetError("ledger: the plan's units are not what count() returned; plan with that number")
        self._books.train(training)
        return read(self._table, self._units)

    def _draw(self, query: Query | KeyQuery, shape: tuple[int, ...], sigma: float) -> NDArray[np.int32]:
        self._draws += math.prod(shape)
        if self._draws > MEASURED_DRAWS:
            raise BudgetError(f"ledger: query {query.name!r} needs too many numbers of noise; ask for fewer sums")
        return self._randomness.gaussian(shape, sigma)

    def __repr__(self) -> str:
        return f"Ledger(private table, {len(self.events)} charges)"

    def __reduce__(self) -> NoReturn:
        raise PrivacyError("ledger: a private table is not copied or pickled; make a new ledger")


def _scale(query: Query | KeyQuery, sigma: float) -> int:
    """The power of two that makes the noise span the grid."""
    if sigma > _WIDEST:
        raise PrivacyError(
            f"ledger: query {query.name!r}: noise of {sigma:.3g} steps is too wide; count larger steps"
        )
    return 1 << max(0, math.ceil(math.log2(MEASURE_GRID / sigma)))
