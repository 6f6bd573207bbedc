"""Tables that are wide in columns or in levels."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

import jaxsynth as js
from jaxsynth.models.autoregressive import RowLikelihood


def test_hundreds_of_two_level_columns_share_a_context() -> None:
    rng = np.random.default_rng(0)
    cause = rng.random((1500, 1)) < 0.5
    cells = rng.random((1500, 200)) < np.where(cause, 0.9, 0.1)
    table = pa.table({f"code{i}": cells[:, i] for i in range(200)})
    tiny = js.Autoregressive(
        embedding=2,
        hidden=16,
        batch=128,
        pass_steps=0,
        epochs=1,
        min_steps=600,
        dropout=0.1,
        learning_rate=1e-2,
    )
    synth = js.fit(table, tiny, seed=0, progress=False)
    assert not RowLikelihood.make(tiny, synth.artefact.codec.layout).net.paired
    made = np.stack([c.to_numpy() for c in synth.sample(1000, seed=0).columns], axis=1).astype(float)
    assert abs(made.mean() - cells.mean()) < 0.03
    assert np.corrcoef(made[:, :100].mean(1), made[:, 100:].mean(1))[0, 1] > 0.8
    sick = synth.sample(300, seed=0, where={"code7": True, "code8": True})
    assert np.mean(sick["code9"].to_numpy(zero_copy_only=False)) > 0.65  # half of all rows hold it


def test_a_column_of_many_levels_trains_and_samples() -> None:
    rng = np.random.default_rng(0)
    number = rng.integers(0, 20_000, 4000)
    table = pa.table({"town": np.char.add("c", number.astype(str)), "chapter": (number // 10_000).astype(str)})
    schema = js.Schema.infer(table).changed(
        "town", kind="category", pii=None, output="model", levels=tuple(f"c{i}" for i in range(20_000))
    )
    tiny = js.Autoregressive(embedding=2, hidden=8, batch=256, epochs=1, min_steps=5)
    synth = js.fit(table, tiny, schema=schema, seed=0, progress=False)
    assert set(synth.sample(500, seed=0)["town"].to_pylist()) <= {f"c{i}" for i in range(20_000)}
    assert np.isfinite(synth.log_prob(table.slice(0, 100))).all()
