"""The compiled nearest-row search against a plain definition of the result, bit for bit."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from jaxsynth import _core

Found = tuple[NDArray[np.float64], NDArray[np.int64]]
INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = ["float32", "float64"]


@dataclass
class Problem:
    reference: list[Any]
    queries: list[Any]
    categorical: list[bool]
    scale: NDArray[np.float64]
    null_cost: NDArray[np.float64]

    def tables(self, threads: int = 2) -> _core.Tables:
        return _core.Tables(self.reference, self.queries, self.categorical, self.scale, self.null_cost, threads)

    def nearest(self, k: int = 1, *, exclude_self: bool = False, threads: int = 2, index: str = "auto") -> Found:
        rows = len(self.reference[0]) if self.reference else 0
        distances, found, _, _ = self.tables(threads).nearest(k, [rows], exclude_self, index)
        return distances[:, 0], found[:, 0]


def cells(array: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The column's cells in float64, 0 under nulls, and where it is null."""
    values = array.to_pylist()
    kind = np.dtype(array.type.to_pandas_dtype())
    filled = np.array([0 if value is None else value for value in values], dtype=kind)
    return filled.astype(np.float64), np.array([value is None for value in values], dtype=np.bool_)


def all_distances(problem: Problem) -> NDArray[np.float64]:
    total = np.zeros((len(problem.queries[0]), len(problem.reference[0])))
    for j, categorical in enumerate(problem.categorical):
        b, null_b = cells(problem.reference[j])
        a, null_a = cells(problem.queries[j])
        if categorical:
            cost = np.where(a[:, None] != b[None, :], problem.scale[j], 0.0)
        else:
            cost = np.abs(a[:, None] - b[None, :]) * problem.scale[j]
        cost[null_a[:, None] != null_b[None, :]] = problem.null_cost[j]
        cost[null_a[:, None] & null_b[None, :]] = 0.0
        total += cost
    return total


def oracle(problem: Problem, k: int, *, exclude_self: bool = False) -> Found:
    distances = all_distances(problem)
    rows = np.argsort(distances, axis=1, kind="stable")
    if exclude_self:
        itself = np.arange(len(rows))[:, None]
        rows = rows[rows != itself].reshape(len(rows), rows.shape[1] - 1)
    rows = rows[:, :k].astype(np.int64)
    return np.take_along_axis(distances, rows, axis=1), rows


def assert_same(found: Found, expected: Found) -> None:
    np.testing.assert_array_equal(found[1], expected[1])
    assert found[0].tobytes() == np.ascontiguousarray(expected[0]).tobytes()


@st.composite
def columns(draw: st.DrawFn, rows: int, *, categorical: bool) -> Any:
    """A column of few distinct values, for ties, perhaps with nulls, perhaps a slice."""
    name = draw(st.sampled_from(INTEGERS if categorical else INTEGERS + FLOATS))
    before, after = draw(st.integers(0, 17)), draw(st.integers(0, 3))
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    total = before + rows + after
    values = random.integers(0, draw(st.sampled_from([1, 2, 5, 100])), total).astype(np.float64)
    if name in FLOATS:
        values = values / 7 - draw(st.sampled_from([0.0, 1.5, 1e6]))
    mask = random.random(total) < draw(st.sampled_from([0.0, 0.0, 0.3, 1.0]))
    return pa.array(values.astype(name), mask=mask).slice(before, rows)


@st.composite
def problems(draw: st.DrawFn, *, square: bool = False) -> Problem:
    rows = draw(st.one_of(st.integers(2, 20), st.integers(250, 300), st.just(600)))
    queries = rows if square else draw(st.integers(0, 25))
    kinds = draw(st.lists(st.booleans(), min_size=1, max_size=7))
    weights = st.sampled_from([0.0, 0.1, 1.0, 1 / 3, 2.7e-5, 1e5])
    weight_lists = st.lists(weights, min_size=len(kinds), max_size=len(kinds))
    return Problem(
        [draw(columns(rows, categorical=kind)) for kind in kinds],
        [draw(columns(queries, categorical=kind)) for kind in kinds],
        kinds,
        np.array(draw(weight_lists)),
        np.array(draw(weight_lists)),
    )


def numeric(reference: Any, queries: Any, *, scale: float = 1.0, null_cost: float = 1.0) -> Problem:
    as_array = [column if isinstance(column, pa.Array) else pa.array(column) for column in (reference, queries)]
    return Problem([as_array[0]], [as_array[1]], [False], np.array([scale]), np.array([null_cost]))


@settings(max_examples=150, deadline=None)
@given(problem=problems(), data=st.data())
def test_matches_the_definition(problem: Problem, data: st.DataObject) -> None:
    rows = len(problem.reference[0])
    k = data.draw(st.one_of(st.integers(1, rows), st.just(rows)))
    index = data.draw(st.sampled_from(["scan", "tree", "auto"]))
    assert_same(problem.nearest(k, threads=data.draw(st.integers(0, 3)), index=index), oracle(problem, k))


@settings(max_examples=60, deadline=None)
@given(problem=problems(square=True), same=st.booleans(), data=st.data())
def test_leaves_itself_out(problem: Problem, same: bool, data: st.DataObject) -> None:
    if same:
        problem.queries = problem.reference
    k = data.draw(st.integers(1, len(problem.reference[0]) - 1))
    assert_same(problem.nearest(k, exclude_self=True), oracle(problem, k, exclude_self=True))


@pytest.mark.parametrize("name", INTEGERS + FLOATS)
def test_reads_every_type(name: str) -> None:
    info: Any = np.iinfo(name) if name in INTEGERS else np.finfo(name)
    edge = info.max // 2 if name in INTEGERS else 1e30
    reference = np.array([0, 1, 3, 100, edge, info.max if name in INTEGERS else 2e30], dtype=name)
    problem = numeric(pa.array(reference), pa.array(reference[::-1]), scale=0.3)
    assert_same(problem.nearest(6), oracle(problem, 6))


def test_reads_types_that_differ_between_the_sides() -> None:
    problem = numeric(pa.array([1, 2, 300], pa.int64()), pa.array([2.5, 250.0], pa.float32()))
    assert_same(problem.nearest(3), oracle(problem, 3))
    codes = Problem(
        [pa.array([0, 1, 2], pa.uint8())],
        [pa.array([2, 1], pa.int64())],
        [True],
        np.array([0.5]),
        np.array([1.0]),
    )
    assert_same(codes.nearest(3), oracle(codes, 3))


def test_null_rules() -> None:
    problem = numeric(pa.array([None, 10.0, 0.0]), pa.array([None, 10.0]), null_cost=3.5)
    distances, rows = problem.nearest(3)
    assert distances.tolist() == [[0.0, 3.5, 3.5], [0.0, 3.5, 10.0]]
    assert rows.tolist() == [[0, 1, 2], [1, 0, 2]]


def test_values_hidden_under_nulls_do_not_matter() -> None:
    hidden = pa.array(np.array([np.nan, 1.0, np.inf]), mask=np.array([True, False, True]), from_pandas=False)
    problem = numeric(hidden, hidden)
    assert_same(problem.nearest(3), oracle(problem, 3))


def test_ties_go_to_the_lowest_row() -> None:
    problem = numeric(np.zeros(1000), np.zeros(70))
    assert (problem.nearest(4, threads=3)[1] == np.arange(4)).all()


def test_overflowing_distances_are_infinite_and_ordered() -> None:
    problem = numeric([1e308, -1e308, 1.5e308], [-1.7e308])
    distances, rows = problem.nearest(3)
    assert rows.tolist() == [[1, 0, 2]]
    assert distances[0, 1:].tolist() == [np.inf, np.inf]
    assert numeric([1e308, -1e308], [-1e308], scale=0.0).nearest(2)[0].tolist() == [[0.0, 0.0]]


def large(rows: int, seed: int) -> Problem:
    random = np.random.default_rng(seed)

    def table() -> list[Any]:
        numbers = [pa.array(random.normal(size=rows), mask=random.random(rows) < 0.1) for _ in range(3)]
        return numbers + [pa.array(random.integers(0, 4, rows).astype(np.int32)) for _ in range(4)]

    return Problem(table(), table(), [False] * 3 + [True] * 4, random.random(7), random.random(7))


def test_threads_change_no_byte() -> None:
    problem = large(3000, 1)
    first = problem.nearest(5, threads=1)
    for threads in (2, 5, 0):
        assert_same(problem.nearest(5, threads=threads), first)
    assert_same(first, oracle(problem, 5))


@pytest.mark.parametrize("name", _core.instruction_sets())
def test_instruction_sets_and_indices_change_no_byte(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = large(3000, 4)
    monkeypatch.setenv("JAXSYNTH_ISA", name)
    for index in ("scan", "tree", "auto"):
        distances, rows, used, kernels = problem.tables().nearest(5, [3000], False, index)
        assert kernels == name
        assert used == index or index == "auto"
        assert_same((distances[:, 0], rows[:, 0]), oracle(problem, 5))


def test_refuses_an_instruction_set_that_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAXSYNTH_ISA", "abacus")
    with pytest.raises(ValueError, match="JAXSYNTH_ISA is 'abacus', but here run scalar"):
        large(10, 1).nearest()


def test_takes_the_tree_where_it_costs_less_and_the_scan_otherwise() -> None:
    random = np.random.default_rng(0)

    def used(make: Callable[[], Any], columns: int) -> str:
        reference, queries = ([pa.array(make()) for _ in range(columns)] for _ in range(2))
        problem = Problem(reference, queries, [False] * columns, np.ones(columns), np.ones(columns))
        return problem.tables().nearest(2, [20_000], False, "auto")[2]

    assert used(lambda: random.normal(size=20_000), 2) == "tree"
    assert used(lambda: random.random(20_000), 40) == "scan"


def test_parts_are_searched_for_themselves() -> None:
    problem = large(900, 5)
    distances, rows, _, _ = problem.tables().nearest(3, [500, 400], False, "auto")
    for i, (start, end) in enumerate([(0, 500), (500, 900)]):
        part = Problem(
            [c.slice(start, end - start) for c in problem.reference],
            problem.queries,
            problem.categorical,
            problem.scale,
            problem.null_cost,
        )
        assert_same((distances[:, i], rows[:, i] - start), oracle(part, 3))


@settings(max_examples=60, deadline=None)
@given(problem=problems(), share=st.floats(0, 1))
def test_counts_within_a_radius(problem: Problem, share: float) -> None:
    distances = all_distances(problem)
    radii = np.quantile(distances, share, axis=1, method="lower") if distances.size else np.zeros(len(distances))
    for index in ("scan", "tree"):
        counts, used, _ = problem.tables().within(radii, False, index)
        assert used == index
        assert counts.tolist() == (distances <= radii[:, None]).sum(axis=1).tolist()


def test_refuses_bad_radii() -> None:
    problem = numeric([1.0, 2.0], [1.0])
    for bad in (np.nan, -1.0):
        with pytest.raises(ValueError, match="radius 0 is"):
            problem.tables().within(np.array([bad]), False, "auto")
    with pytest.raises(ValueError, match="there are 2 radii for 1 queries"):
        problem.tables().within(np.ones(2), False, "auto")


@settings(max_examples=60, deadline=None)
@given(problem=problems())
def test_finds_equal_rows(problem: Problem) -> None:
    problem.scale, problem.null_cost = np.ones(len(problem.scale)), np.ones(len(problem.scale))
    equal = all_distances(problem) == 0
    rows, counts = problem.tables().equal()
    assert counts.tolist() == equal.sum(axis=1).tolist()
    assert rows.tolist() == np.where(equal.any(axis=1), equal.argmax(axis=1), -1).tolist()


def test_refuses_another_index() -> None:
    with pytest.raises(ValueError, match="index is 'ball'; it is one of 'auto', 'scan' and 'tree'"):
        numeric([1.0], [1.0]).nearest(index="ball")


def test_slices_equal_copies() -> None:
    problem = large(700, 2)
    sliced = Problem(
        [column.slice(13, 500) for column in problem.reference],
        [column.slice(77, 300) for column in problem.queries],
        problem.categorical,
        problem.scale,
        problem.null_cost,
    )
    copied = Problem(
        [pa.concat_arrays([column]).take(pa.array(range(len(column)))) for column in sliced.reference],
        [pa.concat_arrays([column]).take(pa.array(range(len(column)))) for column in sliced.queries],
        problem.categorical,
        problem.scale,
        problem.null_cost,
    )
    assert_same(sliced.nearest(3), copied.nearest(3))


def test_shapes_and_types_of_the_result() -> None:
    distances, rows = numeric([1.0, 2.0, 3.0], [1.0, 2.0]).nearest(3)
    assert distances.shape == rows.shape == (2, 3)
    assert distances.dtype == np.float64
    assert rows.dtype == np.int64
    distances, rows = numeric([1.0, 2.0], pa.array([], pa.float64())).nearest(2)
    assert distances.shape == rows.shape == (0, 2)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", ["reference", "queries"])
@pytest.mark.parametrize("name", FLOATS)
def test_refuses_cells_that_are_not_finite(bad: float, side: str, name: str) -> None:
    good = pa.array(np.zeros(6, dtype=name))
    spoilt = pa.array(np.array([0, 0, 0, bad, 0, 0], dtype=name), from_pandas=False).slice(1)
    problem = Problem([good.slice(1)] * 2, [good.slice(1)] * 2, [False] * 2, np.ones(2), np.ones(2))
    setattr(problem, side, [good.slice(1), spoilt])
    what = "NaN" if np.isnan(bad) else "infinite"
    with pytest.raises(ValueError, match=f"{side} column 1, row 2 is {what}"):
        problem.nearest()


def test_refuses_an_impossible_k() -> None:
    problem = numeric([1.0, 2.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="k is 3 but each query can see only 2 reference rows"):
        problem.nearest(3)
    with pytest.raises(ValueError, match="k is 2 but each query can see only 1 reference rows"):
        problem.nearest(2, exclude_self=True)
    with pytest.raises(ValueError, match="k is 0; ask for at least 1"):
        problem.nearest(0)
    with pytest.raises(ValueError, match="only 0 reference rows"):
        numeric(pa.array([], pa.float64()), [1.0]).nearest(1)


def test_refuses_to_leave_out_between_different_lengths() -> None:
    with pytest.raises(ValueError, match="reference has 2 rows and queries has 1;"):
        numeric([1.0, 2.0], [1.0]).nearest(1, exclude_self=True)


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (pa.array(["a", "b"]), "Arrow format 'u'"),
        (pa.array([True, False]), "Arrow format 'b'"),
        (pa.array([None, None]), "Arrow format 'n'"),
        (pa.array(["a", "b"]).dictionary_encode(), "dictionary-encoded"),
        (pa.array([[1], [2]]), "Arrow format"),
        (np.zeros(2), "is a ndarray, which does not export an Arrow array"),
    ],
)
def test_refuses_other_columns(column: Any, message: str) -> None:
    good = pa.array([1.0, 2.0])
    problem = Problem([good, good], [good, column], [False] * 2, np.ones(2), np.ones(2))
    with pytest.raises(ValueError, match=f"queries column 1.*{message}"):
        problem.nearest()


def test_refuses_bad_categories() -> None:
    with pytest.raises(ValueError, match="reference column 0 is categorical but holds floats"):
        Problem([pa.array([1.0])], [pa.array([1])], [True], np.ones(1), np.ones(1)).nearest()
    with pytest.raises(ValueError, match=r"queries column 0, row 0 holds a category code beyond 2\^53"):
        Problem([pa.array([1])], [pa.array([2**53 + 1])], [True], np.ones(1), np.ones(1)).nearest()


@pytest.mark.parametrize("bad", [-1.0, np.nan, np.inf])
def test_refuses_bad_weights(bad: float) -> None:
    with pytest.raises(ValueError, match=r"scale\[0\] is .*; it must be finite and not negative"):
        numeric([1.0], [1.0], scale=bad).nearest()
    with pytest.raises(ValueError, match=r"null_cost\[0\] is .*; it must be finite and not negative"):
        numeric([1.0], [1.0], null_cost=bad).nearest()


def test_refuses_disagreeing_arguments() -> None:
    one, two = pa.array([1.0]), pa.array([1.0, 2.0])
    with pytest.raises(ValueError, match="no columns"):
        Problem([], [], [], np.ones(0), np.ones(0)).nearest()
    with pytest.raises(ValueError, match="queries has 1 entries but reference has 2 columns"):
        Problem([one, one], [one], [False] * 2, np.ones(2), np.ones(2)).nearest()
    with pytest.raises(ValueError, match="categorical has 1 entries"):
        Problem([one, one], [one, one], [False], np.ones(2), np.ones(2)).nearest()
    with pytest.raises(ValueError, match="scale has 3 entries"):
        Problem([one, one], [one, one], [False] * 2, np.ones(3), np.ones(2)).nearest()
    with pytest.raises(ValueError, match="scale has 2 dimensions"):
        Problem([one, one], [one, one], [False] * 2, np.ones((2, 1)), np.ones(2)).nearest()
    with pytest.raises(ValueError, match="reference column 1 has 2 rows but column 0 has 1"):
        Problem([one, two], [one, one], [False] * 2, np.ones(2), np.ones(2)).nearest()
    with pytest.raises(ValueError, match="threads is -1"):
        numeric([1.0], [1.0]).nearest(threads=-1)


def test_a_result_that_cannot_fit_is_a_memory_error() -> None:
    rows = 2**26
    problem = numeric(pa.array(np.zeros(rows, np.int8)), pa.array(np.zeros(rows, np.int8)))
    with pytest.raises(MemoryError):
        problem.nearest(rows)


INTERRUPTED = """
import sys
import numpy as np, pyarrow as pa
from jaxsynth import _core
column = pa.array(np.random.default_rng(0).normal(size=1_000_000))
print("ready", flush=True)
try:
    tables = _core.Tables([column] * 4, [column] * 4, [False] * 4, np.ones(4), np.ones(4), 2)
    tables.nearest(1, [1_000_000], False, "scan")
except KeyboardInterrupt:
    sys.exit(42)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_interrupt_ends_a_search_soon(tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(0.5)
            process.send_signal(signal.SIGINT)
            start = time.monotonic()
            assert process.wait(timeout=60) == 42
            assert time.monotonic() - start < 10
        finally:
            process.kill()
