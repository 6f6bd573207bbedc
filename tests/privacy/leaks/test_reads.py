"""What is read of the table: all of it charged beforehand, bounded for each person, and their number noisy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray

import jaxsynth as js
from jaxsynth.errors import BudgetError
from jaxsynth.privacy.ledger import Ledger
from jaxsynth.privacy.plan import Plan, make_plan
from jaxsynth.privacy.query import Query
from jaxsynth.privacy.randomness import Deterministic, Secure
from tests.privacy.leaks.tables import public, table

PLAN = make_plan(js.Privacy(epsilon=1.0, rows=400), {"marginals": 0.5})


class Reader:
    """Counts how often it is handed the table."""

    def __init__(self) -> None:
        self.reads = 0

    def statistic(self, rows: pa.Table) -> NDArray[np.int64]:
        self.reads += 1
        return np.array([rows.num_rows], np.int64)

    def training(self, rows: pa.Table, units: NDArray[np.int64]) -> None:
        self.reads += 1


def _refused(call: Callable[[], Any]) -> bool:
    try:
        call()
    except BudgetError:
        return True
    return False


class _ReadsFirst(Ledger):
    """Looks whether the budget suffices once it knows the answer."""

    def measure(self, query: Query, *, stage: str, part: float = 1.0) -> NDArray[np.float64]:
        query.statistic(self._table)
        return super().measure(query, stage=stage, part=part)


class _StopsAfterwards(Ledger):
    """Refuses only when more than the budget is spent already, as training until epsilon is exceeded does."""

    def measure(self, query: Query, *, stage: str, part: float = 1.0) -> NDArray[np.float64]:
        left = max(1 - self._books.parts[stage], 1e-6)
        return super().measure(query, stage=stage, part=min(part, left))


class _FreeTraining(Ledger):
    """Hands the rows to any training: to one beforehand, too, or one after the other."""

    def training_rows(self, read: Callable[..., Any], *, plan: Plan) -> Any:
        return read(self._table, self._units)


def no_read_goes_unpaid(kind: type[Ledger]) -> None:
    """Neither beyond a stage, nor for a training beforehand, nor after the training that the plan has."""
    reader, ledger = Reader(), kind(table(), public(), PLAN, Secure())
    query = Query(name="rows", sensitivity=1.0, statistic=reader.statistic)
    plan = PLAN.with_training(probability=0.25, steps=20, parameters=10, units=400, clipping_norm=1.0)
    ledger.measure(query, stage="marginals", part=0.6)
    assert _refused(lambda: ledger.measure(query, stage="marginals", part=0.6))
    assert _refused(lambda: ledger.measure(query, stage="pre-training"))
    assert _refused(lambda: ledger.training_rows(reader.training, plan=PLAN))
    assert reader.reads == len(ledger.events) == 1
    ledger.training_rows(reader.training, plan=plan)
    assert ledger.events[-1] == plan.training
    spent = ledger.events
    assert _refused(lambda: ledger.training_rows(reader.training, plan=plan))
    assert _refused(lambda: ledger.measure(query, stage="marginals", part=0.1))
    assert reader.reads == 2
    assert ledger.events == spent


def test_no_read_of_ours_goes_unpaid() -> None:
    no_read_goes_unpaid(Ledger)


@pytest.mark.parametrize("broken", [_ReadsFirst, _StopsAfterwards, _FreeTraining])
def test_unpaid_reads_are_caught(broken: type[Ledger]) -> None:
    with pytest.raises(AssertionError):
        no_read_goes_unpaid(broken)


class _Silent(Deterministic):
    """No noise, so that what it would hide is seen."""

    def gaussian(self, shape: tuple[int, ...], sigma: float) -> NDArray[np.int32]:
        return np.zeros(shape, np.int32)

    def laplace(self, epsilon: float) -> int:
        return 0


class _AllRows(Ledger):
    """Keeps all rows of a person."""

    def __init__(self, rows: pa.Table, *others: Any) -> None:
        super().__init__(rows, *others)
        self._table = rows


class _RowsAsPersons(Ledger):
    """Takes each row for a person."""

    def __init__(self, rows: pa.Table, schema: js.Schema, *others: Any) -> None:
        super().__init__(rows, replace(schema, subject=None), *others)


def a_person_of_many_rows_counts_as_one_of_few(kind: type[Ledger]) -> None:
    """Thirty rows come in, of which two may be kept."""
    schema = replace(public(), subject="person")
    privacy = js.Privacy(epsilon=1.0, rows_per_subject=2, deterministic_noise=True)
    many = pa.concat_tables([table(), table(30, seed=2).set_column(0, "person", pa.array(["new"] * 30))])

    def answers(rows: pa.Table) -> tuple[int, float]:
        ledger = kind(rows, schema, make_plan(privacy, {"marginals": 0.5}), _Silent(0))
        query = Query(name="rows", sensitivity=2.0, statistic=Reader().statistic)
        return ledger.count(), float(ledger.measure(query, stage="marginals")[0])

    (subjects, rows), (more_subjects, more_rows) = answers(table()), answers(many)
    assert more_subjects - subjects == 1
    assert more_rows - rows == 2


@pytest.mark.filterwarnings("ignore:NOT PRIVATE")
def test_contributions_without_a_bound_are_caught() -> None:
    a_person_of_many_rows_counts_as_one_of_few(Ledger)
    for broken in _AllRows, _RowsAsPersons:
        with pytest.raises(AssertionError):
            a_person_of_many_rows_counts_as_one_of_few(broken)


def the_number_of_rows_is_noisy(count: Callable[[pa.Table], int]) -> None:
    """As many as there are, give or take, and never the same."""
    drawn = [count(table()) for _ in range(200)]
    assert len(set(drawn)) > 40
    assert abs(np.mean(drawn) - 400) < 5 * np.std(drawn) / np.sqrt(200)


def test_the_true_number_of_rows_is_caught() -> None:
    plan = make_plan(js.Privacy(epsilon=1.0), {"marginals": 0.5})
    the_number_of_rows_is_noisy(lambda rows: Ledger(rows, public(), plan, Secure()).count())
    with pytest.raises(AssertionError):
        the_number_of_rows_is_noisy(lambda rows: rows.num_rows)
