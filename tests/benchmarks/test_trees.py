"""Detection by XGBoost: one half for equal distributions, one for unlike ones; utility follows the relation."""

from __future__ import annotations

import pytest

pytest.importorskip("benchmarks.protocol.trees")  # needs xgboost, and sets how its threads wait before it loads

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.protocol.trees import cells, detection, score, utility
from jaxsynth.quality.frames import Frames, frames
from jaxsynth.schema import Schema


def table(rows: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=rows)
    sick = np.where(x + 0.3 * rng.normal(size=rows) > 0, "yes", "no")
    group = pa.array(rng.choice(["a", "b", "c"], rows), mask=rng.random(rows) < 0.1)
    return pa.table({"x": pa.array(x, mask=rng.random(rows) < 0.05), "sick": sick, "group": group})


def coded(synthetic: pa.Table) -> Frames:
    train = table(900, 0)
    return frames(Schema.infer(train), train=train, holdout=table(900, 1), synthetic=synthetic)


def shuffled(source: pa.Table) -> pa.Table:
    rng = np.random.default_rng(5)
    columns = [source[n].take(pa.array(rng.permutation(source.num_rows))) for n in source.column_names]
    return pa.table(columns, schema=source.schema)


def test_equal_distributions_cannot_be_told_apart() -> None:
    f = coded(table(900, 2))
    assert detection(cells(f, f.train), cells(f, f.synthetic), seed=0) == pytest.approx(0.5, abs=0.06)


def test_lost_dependence_is_seen() -> None:
    f = coded(shuffled(table(900, 2)))
    assert detection(cells(f, f.train), cells(f, f.synthetic), seed=0) > 0.62


def test_a_missing_category_and_a_missing_number_count() -> None:
    made = table(900, 2)
    made = made.set_column(2, "group", made["group"].fill_null("a"))
    f = coded(made)
    auc = detection(cells(f, f.train), cells(f, f.synthetic), seed=0)
    assert auc > 0.53
    assert np.isnan(cells(f, f.train).values[:, 0]).any()


def test_score_is_clipped() -> None:
    assert [score(a) for a in (0.4, 0.5, 0.75, 1.0)] == pytest.approx([1.0, 1.0, 0.5, 0.0])


def test_utility_needs_the_relation() -> None:
    good, bad = coded(table(900, 2)), coded(shuffled(table(900, 2)))
    of_good = utility(good, good.synthetic, "sick", "yes", test=good.holdout, seed=0)
    of_bad = utility(bad, bad.synthetic, "sick", "yes", test=bad.holdout, seed=0)
    assert of_good is not None
    assert of_bad is not None
    assert of_good > 0.9 > 0.7 > of_bad


def test_utility_without_one_of_the_classes_is_none() -> None:
    made = table(900, 2)
    f = coded(made.filter(pc.equal(made["sick"], "no")))
    assert utility(f, f.synthetic, "sick", "yes", test=f.holdout, seed=0) is None
