from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.codec import Codec
from jaxsynth.codec.packed import pack
from jaxsynth.models.base import Batch, to_batch
from jaxsynth.models.diffusion_columns import Cells, Columns
from jaxsynth.schema import Schema


def encoded(table: pa.Table) -> tuple[Codec, Batch]:
    codec = Codec.fit(Schema.infer(table), table)
    return codec, to_batch(codec.layout, jax.tree.map(jnp.asarray, pack(codec.layout, codec.encode(table))))


@pytest.fixture(scope="module")
def rows(table: pa.Table) -> tuple[Codec, Batch]:
    return encoded(table)


def columns_of(codec: Codec, rows_a_code: float = 100.0) -> Columns:
    return Columns.make(codec.layout, rows_a_code)


def inside(columns: Columns, batch: Batch) -> jax.Array:
    return jax.random.uniform(jax.random.key(0), (len(batch.codes), len(columns.numeric)))


def test_codes_and_positions_come_back(rows: tuple[Codec, Batch]) -> None:
    codec, batch = rows
    columns = columns_of(codec)
    back = columns.decode(columns.encode(batch, inside(columns, batch)))
    np.testing.assert_array_equal(back.codes, batch.codes)
    held = np.stack(
        [s.has_position[batch.codes[:, i]] for i, s in enumerate(codec.layout) if s.continuous], axis=1
    )
    np.testing.assert_allclose(back.positions, np.where(held, batch.positions, 0), atol=2e-3)


def test_which_columns_are_numbers(rows: tuple[Codec, Batch]) -> None:
    codec, _ = rows
    names = [s.name for s in codec.layout]
    few = columns_of(codec)
    assert {"cost", "age"} <= {names[i] for i in few.numeric}  # 82 ages in 2,000 rows are too many codes
    assert "age" not in {names[i] for i in columns_of(codec, 10).numeric}
    assert {"sex", "grade"} <= {names[i] for i in few.plain}


def test_numbers_are_standard_normal(rows: tuple[Codec, Batch]) -> None:
    codec, batch = rows
    columns = columns_of(codec)
    numbers = np.asarray(columns.encode(batch, inside(columns, batch)).numbers)
    np.testing.assert_allclose(numbers.mean(0), 0, atol=0.08)
    np.testing.assert_allclose(numbers.std(0), 1, atol=0.08)


def test_normal_draws_have_the_table_s_frequencies(rows: tuple[Codec, Batch]) -> None:
    codec, _ = rows
    columns = columns_of(codec)
    age = [s.name for s in codec.layout].index("age")
    numbers = jax.random.normal(jax.random.key(0), (40_000, len(columns.numeric)))
    codes = jnp.zeros((40_000, len(columns.specs)), jnp.int32)
    drawn = np.asarray(columns.decode(Cells(codes, numbers)).codes[:, age])
    counts = codec.layout[age].counts
    found = np.bincount(drawn, minlength=len(counts)) / 40_000
    assert np.abs(found - counts / counts.sum()).sum() / 2 < 0.03


def test_missing_and_inflated_cells_are_states(rows: tuple[Codec, Batch]) -> None:
    codec, batch = rows
    columns = columns_of(codec)
    names = [s.name for s in codec.layout]
    number = columns.numeric.index(names.index("cost"))
    states = np.asarray(columns.states(columns.encode(batch, inside(columns, batch)).codes))[:, number]
    missing = np.asarray(batch.codes[:, names.index("cost")]) == codec.layout[names.index("cost")].size - 1
    np.testing.assert_array_equal(states > 0, missing)
    assert missing.mean() > 0.1


@pytest.mark.parametrize("kind", ["numbers", "levels"])
def test_tables_of_one_kind(kind: str) -> None:
    rng = np.random.default_rng(0)
    table = pa.table(
        {"a": rng.normal(size=300), "b": rng.normal(size=300)}
        if kind == "numbers"
        else {"a": rng.choice(["x", "y"], 300), "b": rng.choice(["u", "v"], 300)}
    )
    codec, batch = encoded(table)
    columns = columns_of(codec)
    cells = columns.encode(batch, inside(columns, batch))
    assert cells.codes.shape[1] + cells.numbers.shape[1] == 2
    np.testing.assert_array_equal(columns.decode(cells).codes, batch.codes)
