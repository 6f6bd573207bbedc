from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jaxsynth.errors import BudgetError, PrivacyError
from jaxsynth.privacy.contributions import bound_rows, subject_codes, unit_layout
from jaxsynth.privacy.events import CountEvent, MeasureEvent, TrainingEvent
from jaxsynth.privacy.ledger import Ledger
from jaxsynth.privacy.levels import KeyQuery
from jaxsynth.privacy.plan import make_plan
from jaxsynth.privacy.query import Query
from jaxsynth.privacy.settings import Privacy
from jaxsynth.schema import Column, Schema

SCHEMA = Schema(
    columns=(
        Column(
            name="who", kind="category", type="string", levels=tuple(f"p{i}" for i in range(50)), nullable=True
        ),
        Column(name="x", kind="integer", type="int64", bounds=(0, 4), resolution=1.0),
    ),
    subject="who",
)


class Replayed:
    """The same noise for the same seed, which says that it is private so that a ledger takes it."""

    name = "replayed"
    private = True

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.sigmas: list[float] = []

    def gaussian(self, shape: tuple[int, ...], sigma: float) -> NDArray[np.int32]:
        self.sigmas.append(sigma)
        return np.rint(self.rng.normal(0, sigma, shape)).astype(np.int32)

    def laplace(self, epsilon: float) -> int:
        return int(self.rng.laplace(0, 1 / epsilon))

    def uniforms(self, n: int) -> NDArray[np.float64]:
        return self.rng.random(n)

    def batches(self, steps: int, size: int, units: int, threshold: int) -> NDArray[np.int32]:
        raise NotImplementedError

    def key_words(self) -> NDArray[np.uint32]:
        raise NotImplementedError


class Still(Replayed):
    """No noise."""

    def gaussian(self, shape: tuple[int, ...], sigma: float) -> NDArray[np.int32]:
        return np.zeros(shape, np.int32)

    def laplace(self, epsilon: float) -> int:
        return 0


def table(subjects: list[str | None], x: list[int]) -> pa.Table:
    return pa.table({"who": pa.array(subjects, pa.string()), "x": pa.array(x, pa.int64())})


TWO_EACH = table(["p0", "p1", "p0", "p1", "p2", "p2"], [0, 1, 2, 3, 4, 4])


def histogram(table: pa.Table) -> NDArray[np.int64]:
    return np.bincount(table["x"].to_numpy(), minlength=5).astype(np.int64)


def query(rows: int = 1, statistic: Callable[[pa.Table], Any] = histogram) -> Query:
    return Query(name="x", sensitivity=float(rows), statistic=statistic)


def ledger(
    table: pa.Table = TWO_EACH, *, noise: Replayed | None = None, schema: Schema = SCHEMA, **privacy: Any
) -> Ledger:
    plan = make_plan(Privacy(**{"epsilon": 1.0, **privacy}), {"marginals": 0.5})
    return Ledger(table, schema, plan, noise or Replayed())


class Spy:
    """A statistic that records its reads."""

    def __init__(self) -> None:
        self.reads = 0

    def __call__(self, table: pa.Table) -> NDArray[np.int64]:
        self.reads += 1
        return histogram(table)


@pytest.mark.parametrize(
    ("stage", "part"), [("other", 1.0), ("marginals", 0.51), ("marginals", 0.0), ("marginals", math.nan)]
)
def test_what_the_plan_does_not_cover_is_refused_before_a_read(stage: str, part: float) -> None:
    spy, books = Spy(), ledger()
    books.measure(query(), stage="marginals", part=0.5)
    with pytest.raises(BudgetError):
        books.measure(query(statistic=spy), stage=stage, part=part)
    assert spy.reads == 0
    assert len(books.events) == 1


def test_parts_may_add_up_to_a_stage() -> None:
    books = ledger()
    for _ in range(10):
        books.measure(query(), stage="marginals", part=0.1)
    with pytest.raises(BudgetError, match="nothing was read"):
        books.measure(query(), stage="marginals", part=1e-3)


def test_a_read_that_fails_was_charged() -> None:
    def fails(table: pa.Table) -> NDArray[np.int64]:
        raise RuntimeError

    books = ledger()
    with pytest.raises(RuntimeError):
        books.measure(query(statistic=fails), stage="marginals")
    with pytest.raises(BudgetError):
        books.measure(query(), stage="marginals", part=0.1)
    assert len(books.events) == 1


@pytest.mark.parametrize(
    ("given", "widening"), [({}, 1), ({"rows": 9}, 1), ({"rows": 9, "adjacency": "replace"}, 2)]
)
def test_noise_is_what_the_stage_pays_for_on_a_fine_grid(given: dict[str, Any], widening: int) -> None:
    noise = Replayed()
    books = ledger(noise=noise, **given)
    wide = Query(name="zeros", sensitivity=3.0, statistic=lambda table: np.zeros(20_000, np.int64))
    answer = books.measure(wide, stage="marginals", part=0.25)
    sigma = books.noise(wide, stage="marginals", part=0.25)
    stage = books.plan.stage("marginals")
    assert stage is not None
    assert sigma == pytest.approx(3 * widening / (stage.mu / 2))
    assert answer.std() == pytest.approx(sigma, rel=0.03)
    assert 2**24 <= noise.sigmas[0] < 2**25
    assert math.log2(noise.sigmas[0] / sigma) % 1 == pytest.approx(0)
    event = books.events[0]
    assert isinstance(event, MeasureEvent)
    assert (event.sensitivity, event.sigma, event.mu) == (3.0, sigma, stage.mu / 2)


def test_answers_keep_their_shape_and_values() -> None:
    def square(table: pa.Table) -> NDArray[np.int64]:
        return histogram(table)[:4].reshape(2, 2)

    answer = ledger(noise=Still()).measure(query(statistic=square), stage="marginals")
    assert answer.shape == (2, 2)
    assert answer.dtype == np.float64
    assert answer.sum() in (1, 2)


def test_noise_too_wide_for_the_grid_is_refused_before_a_read() -> None:
    spy = Spy()
    with pytest.raises(PrivacyError, match="larger steps"):
        ledger().measure(Query(name="fine", sensitivity=1e8, statistic=spy), stage="marginals")
    assert spy.reads == 0


def test_statistics_are_integers() -> None:
    with pytest.raises(PrivacyError, match="int64"):
        ledger().measure(query(statistic=lambda table: histogram(table) / 2), stage="marginals")


def test_the_count_is_charged_once() -> None:
    books = ledger()
    assert books.count() == books.count() >= 1
    assert books.events == (CountEvent(epsilon=books.plan.epsilon_count),)
    assert ledger(noise=Still()).count() == 3
    assert ledger(TWO_EACH.slice(0, 0), noise=Still()).count() == 1


def test_a_public_count_is_free() -> None:
    books = ledger(rows=7)
    assert books.count() == 7
    assert books.events == ()


def test_more_subjects_than_the_public_count() -> None:
    with pytest.raises(PrivacyError, match="more subjects than rows=2") as error:
        ledger(rows=2)
    assert "3" not in str(error.value)


def planned(books: Ledger, **changes: Any) -> Any:
    given: dict[str, Any] = {"probability": 0.5, "steps": 5, "parameters": 10, "clipping_norm": 1.0}
    return books.plan.with_training(**{**given, "units": books.count(), **changes})


def test_rows_are_handed_out_once_with_their_subjects() -> None:
    books = ledger(noise=Still(), rows_per_subject=3)
    plan = planned(books)
    rows, units = books.training_rows(lambda table, units: (table, units), plan=plan)
    assert units.dtype == np.int64
    assert units.tolist() == [[0, 2, -1], [1, 3, -1], [4, 5, -1]]
    assert rows.num_rows == 6
    assert books.events[-1] == plan.training
    with pytest.raises(BudgetError, match="new ledger"):
        books.training_rows(lambda table, units: None, plan=plan)


def test_another_plan_gets_no_rows() -> None:
    def never(table: pa.Table, units: NDArray[np.int64]) -> None:
        raise AssertionError

    books = ledger(noise=Still())
    other = ledger(noise=Still(), epsilon=2.0)
    for plan in (books.plan, planned(other)):
        with pytest.raises(BudgetError, match="not this ledger's plan"):
            books.training_rows(never, plan=plan)
    with pytest.raises(BudgetError, match=r"count\(\)"):
        books.training_rows(never, plan=planned(books, units=4))
    uncounted = ledger(noise=Still())
    with pytest.raises(BudgetError, match=r"count\(\)"):
        uncounted.training_rows(never, plan=planned(books))
    assert not any(isinstance(e, TrainingEvent) for e in (*books.events, *uncounted.events))


def key_query(delta: float, reads: list[int] | None = None) -> KeyQuery:
    def count(table: pa.Table) -> dict[Any, int]:
        if reads is not None:
            reads.append(1)
        return {"common": 5000, "rare": 1}

    return KeyQuery(name="levels", statistic=count, keys_per_subject=1, delta=delta)


def test_levels_are_selected_within_their_delta() -> None:
    books = ledger(discover=0.2)
    allowed, reads = books.plan.levels_delta, list[int]()
    found = books.select(key_query(allowed / 2), stage="discover", part=0.5)
    assert list(found) == ["common"]
    with pytest.raises(BudgetError, match="for levels"):
        books.select(key_query(0.51 * allowed, reads), stage="discover", part=0.5)
    assert not reads
    books.select(key_query(allowed / 2, reads), stage="discover", part=0.5)
    assert reads
    event = books.events[0]
    assert isinstance(event, MeasureEvent)
    assert event.delta == allowed / 2


def test_without_discovery_no_levels_are_selected() -> None:
    with pytest.raises(BudgetError, match="discover"):
        ledger().select(key_query(1e-12), stage="marginals")


def test_the_table_stays_inside() -> None:
    books = ledger()
    assert "p0" not in repr(books)
    public = [name for name in dir(books) if not name.startswith("_")]
    assert not any(isinstance(getattr(books, name), pa.Table) for name in public)
    assert not hasattr(books, "__dict__")
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(PrivacyError, match="not copied or pickled"):
            leak(books)


def test_noise_and_plan_agree_on_what_is_private() -> None:
    seeded = Replayed()
    seeded.private = False
    with pytest.raises(PrivacyError, match="make both agree"):
        ledger(noise=seeded)


def test_a_table_without_its_subjects() -> None:
    with pytest.raises(PrivacyError, match="'who'"):
        ledger(TWO_EACH.drop_columns(["who"]))


SUBJECTS = st.lists(st.sampled_from([None, *(f"p{i}" for i in range(6))]), max_size=30)


@given(subjects=SUBJECTS, most=st.integers(1, 4), seed=st.integers(0, 99))
def test_contributions_are_bounded(subjects: list[str | None], most: int, seed: int) -> None:
    rows = table(subjects, [0] * len(subjects))
    codes = subject_codes(rows, "who")
    kept = bound_rows(codes, most, np.random.default_rng(seed).random)
    names = [subjects[i] for i in kept]
    assert sorted(set(kept)) == kept.tolist()
    for name in {*subjects} - {None}:
        assert names.count(name) == min(most, subjects.count(name))
    assert None not in names
    layout = unit_layout(subject_codes(rows.take(pa.array(kept)), "who"), most)
    assert sorted(layout[layout >= 0]) == list(range(len(kept)))
    for unit in layout:
        assert len({names[i] for i in unit if i >= 0}) == 1


def test_every_row_of_a_subject_is_kept_equally_often() -> None:
    codes = np.array([0, 1, 0, 0, 1, 0])
    rng = np.random.default_rng(5)
    kept = np.concatenate([bound_rows(codes, 1, rng.random) for _ in range(4000)])
    assert np.bincount(kept) / 4000 == pytest.approx([0.25, 0.5, 0.25, 0.25, 0.5, 0.25], abs=0.03)


def test_dictionary_subjects_and_none_at_all() -> None:
    rows = pa.table({"who": pa.array(["b", None, "a", "b"]).dictionary_encode()})
    assert subject_codes(rows, "who").tolist() == [0, -1, 1, 0]
    assert subject_codes(rows, None).tolist() == [0, 1, 2, 3]


@settings(max_examples=40, deadline=None)
@given(
    subjects=st.lists(st.integers(0, 9), min_size=1, max_size=40),
    x=st.lists(st.integers(0, 4), min_size=40, max_size=40),
    gone=st.integers(0, 9),
    most=st.integers(1, 3),
)
def test_replayed_noise_differs_by_the_sensitivity_at_most(
    subjects: list[int], x: list[int], gone: int, most: int
) -> None:
    names = [f"p{i}" for i in subjects]
    whole = table(list(names), x[: len(names)])
    without = whole.filter(pa.array([i != gone for i in subjects]))
    answers = []
    for rows in (whole, without):
        # Each subject's choice of rows is its own, whoever else is there.
        noise = _OwnChoices([i for i in subjects if rows is whole or i != gone])
        answers.append(ledger(rows, noise=noise, rows_per_subject=most).measure(query(most), stage="marginals"))
    assert np.linalg.norm(answers[0] - answers[1]) <= most + 1e-6
    if subjects.count(gone):
        assert np.abs(answers[0] - answers[1]).sum() == pytest.approx(min(most, subjects.count(gone)), abs=1e-6)


class _OwnChoices(Replayed):
    def __init__(self, subjects: list[int]) -> None:
        super().__init__(3)
        self.subjects = subjects

    def uniforms(self, n: int) -> NDArray[np.float64]:
        # By place among the subject's own rows.
        seen: dict[int, int] = {}
        draws = []
        for subject in self.subjects:
            seen[subject] = seen.get(subject, 0) + 1
            draws.append(np.random.default_rng((subject, seen[subject])).random())
        return np.array(draws)
