from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import jaxsynth as js
from jaxsynth.errors import IdentifierWarning, SchemaError, TableError
from jaxsynth.fitting_many import fit_many, fitted, shared_out
from tests.conftest import TINY, make_table

TABLE = make_table(300).select(["sex", "age", "cost"])
SHORT = replace(TINY, epochs=1, min_steps=20)


def assert_close(found: js.Synthesizer, expected: js.Synthesizer, tolerance: float) -> None:
    close = partial(np.testing.assert_allclose, rtol=tolerance, atol=tolerance)
    jax.tree.map(close, found.artefact.params, expected.artefact.params)


def test_all_rows_are_what_fit_learns_from() -> None:
    (many,) = fit_many(TABLE, [np.arange(300)], SHORT, seed=1, progress=False)
    single = js.fit(TABLE, SHORT, seed=many.artefact.seed, progress=False)
    assert_close(many, single, 1e-5)
    for a, b in zip(many.artefact.codec.layout, single.artefact.codec.layout, strict=True):
        np.testing.assert_array_equal(a.counts, b.counts)
        np.testing.assert_array_equal(a.rank, b.rank)


def test_fits_do_not_depend_on_those_beside_them_and_differ_by_seed() -> None:
    table, half = TABLE.select(["sex", "age"]), np.arange(150)
    sets = [half, half, half + 150]
    together = list(fit_many(table, sets, SHORT, seed=4, side_by_side=3, progress=False))
    alone = next(fit_many(table, [half], SHORT, seed=4, progress=False))
    assert_close(together[0], alone, 1e-4)
    assert not together[0].sample(50, seed=0).equals(together[1].sample(50, seed=0))


def test_sets_of_other_sizes_come_in_order() -> None:
    sets = [np.arange(90), np.arange(90) + 100, np.arange(70)]
    fits = list(fit_many(TABLE.select(["sex", "age"]), sets, SHORT, progress=False))
    assert [f.artefact.rows for f in fits] == [90, 90, 70]
    assert [int(f.artefact.codec.layout[0].counts.sum()) for f in fits] == [90, 90, 70]
    assert len({f.artefact.seed for f in fits}) == 3


GENERATORS: list[Any] = [
    js.Autoregressive(embedding=2, hidden=4, rank=2, epochs=1, min_steps=10),
    js.GAN(latent=4, hidden=(8,), critic=(8,), batch=64, epochs=1, min_steps=10),
]


@pytest.mark.parametrize("generator", GENERATORS, ids=lambda g: g.name)
def test_a_fit_is_calibrated_to_its_own_rows(generator: Any) -> None:
    rng = np.random.default_rng(0)
    group = np.repeat([0, 1], 400)
    table = pa.table({"level": np.where(rng.random(800) < np.where(group, 0.8, 0.3), "yes", "no")})
    sets = [np.arange(400), np.arange(400, 800)]
    options: dict[str, Any] = {"seed": 0, "side_by_side": None, "progress": False}
    for which, fit in enumerate(fitted(table, sets, generator, js.Schema.infer(table), **options)):
        spec = fit.artefact.codec.layout[0]
        draw = jax.jit(lambda params, fit=fit: fit.model.sample(params, jax.random.key(1), 4096, None).codes)
        made = np.bincount(np.asarray(draw(fit.artefact.params))[:, 0], minlength=spec.size) / 4096
        own = table["level"].to_numpy()[group == which]
        levels = fit.artefact.codec.schema["level"].levels
        assert levels is not None
        expected = [np.mean(own == level) for level in levels]
        np.testing.assert_allclose(made[: len(levels)], expected, atol=0.06)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=40).filter(any), st.data())
def test_counts_are_shared_out_to_the_last_row(counts: list[int], data: st.DataObject) -> None:
    total = sum(counts)
    rows = data.draw(st.integers(1, 2 * total))
    found = shared_out(np.array(counts), rows)
    assert found.sum() == rows
    assert np.all(np.abs(found - np.array(counts) * (rows / total)) < 1 + 1e-6)
    np.testing.assert_array_equal(shared_out(np.array(counts), total), counts)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0, 1], []], r"rows\[1\]: shape \(0,\)"),
        ([[0.5]], "float64 are no row numbers"),
        ([[[0, 1]]], r"shape \(1, 2\)"),
        ([[0, 300]], "no row 300; give numbers from 0 to 299"),
        ([[-1]], "no row -1"),
    ],
)
def test_bad_row_numbers_are_refused_at_once(rows: Any, message: str) -> None:
    with pytest.raises(TableError, match=message):
        fit_many(TABLE, rows, SHORT, progress=False)


def test_bad_tables_are_refused_at_once_and_identifiers_named() -> None:
    with pytest.raises(TableError, match="no rows"):
        fit_many(make_table(0), [[0]], SHORT)
    with pytest.raises(TableError, match="holds 1 NaN"):
        fit_many(pa.table({"x": [1.0, float("nan")]}), [[0]], SHORT)
    with (
        pytest.warns(IdentifierWarning, match="'id'"),
        pytest.raises(SchemaError, match="every column is an identifier"),
    ):
        fit_many(pa.table({"id": list(range(50))}), [[0]], SHORT)
