from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.quality.frames import Frames, frames
from jaxsynth.quality.learners import MIN_ROWS, Features, detection, features, utility
from jaxsynth.quality.result import Utility
from jaxsynth.schema import Schema


def plain(cells: Any) -> Features:
    return Features(np.asarray(cells, np.float64), np.zeros(np.shape(cells)[1], bool))


def coded(train: pa.Table, holdout: pa.Table, synthetic: pa.Table) -> Frames:
    return frames(Schema.infer(train), train=train, holdout=holdout, synthetic=synthetic)


def labelled(seed: int, n: int, *, noise: bool = False) -> pa.Table:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n))
    signal = rng.normal(size=n) if noise else x
    return pa.table(
        {
            "x": pa.array(x, mask=rng.random(n) < 0.1),
            "z": z,
            "two": np.where(signal > 0, "yes", "no"),
            "three": np.array(["a", "b", "c"])[np.digitize(signal, [-0.5, 0.5])],
            "number": signal + 0.1 * z,
            "gone": pa.nulls(n, pa.float64()),
        }
    )


def test_features_mark_unordered_levels(three: Any) -> None:
    made = features(three.coded, three.coded.train, without="x")
    names = [c.name for c in three.schema if c.name != "x"]
    assert made.cells.shape == (900, len(names))
    assert {n for n, c in zip(names, made.categorical, strict=True) if c} == {
        "flag", "zero_one", "level", "coded", "many",
    }  # fmt: skip
    assert np.isnan(made.cells[:, names.index("flag")]).sum() == three.train["flag"].null_count


def test_too_many_levels_become_ordinal_codes() -> None:
    train = pa.table({"c": [f"v{i // 2}" for i in range(600)], "x": np.arange(600.0)})
    made = coded(train, train, train)
    assert features(made, made.train).categorical.tolist() == [False, False]
    assert detection(features(made, made.train), features(made, made.train), seed=0) is not None


def test_equal_distributions_cannot_be_told_apart() -> None:
    rng = np.random.default_rng(0)
    auc = detection(plain(rng.normal(size=(600, 3))), plain(rng.normal(size=(900, 3))), seed=0)
    assert auc == pytest.approx(0.5, abs=0.07)


def test_shifted_rows_are_told_apart() -> None:
    rng = np.random.default_rng(0)
    auc = detection(plain(rng.normal(size=(200, 2))), plain(rng.normal(3, 1, size=(200, 2))), seed=0)
    assert auc is not None
    assert auc > 0.95


def test_copies_push_detection_below_one_half() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 3))
    auc = detection(plain(rows), plain(rows[rng.permutation(400)]), seed=0)
    assert auc is not None
    assert auc < 0.45


def test_detection_repeats_with_its_seed() -> None:
    rng = np.random.default_rng(0)
    a, b = plain(rng.normal(size=(150, 2))), plain(rng.normal(size=(400, 2)))
    assert detection(a, b, seed=2**70) == detection(a, b, seed=2**70)
    assert detection(a, b, seed=1) != detection(a, b, seed=2)


def test_too_few_rows_are_not_scored() -> None:
    rows = plain(np.zeros((MIN_ROWS - 1, 1)))
    assert detection(rows, plain(np.zeros((500, 1))), seed=0) is None


@pytest.mark.parametrize(("target", "metric"), [("two", "auc"), ("three", "auc"), ("number", "r2")])
def test_utility_ranks_signal_above_noise(target: str, metric: str) -> None:
    columns = ["x", "z", "gone", target]
    train, holdout, fake = labelled(0, 400), labelled(1, 300), labelled(2, 400, noise=True)
    got = utility(coded(*(t.select(columns) for t in (train, holdout, fake))), target, seed=0)
    assert isinstance(got, Utility)
    assert got.metric == metric
    assert got.real > 0.8
    assert got.synthetic < (0.65 if metric == "auc" else 0.1)


def test_a_synthetic_table_of_one_class_scores_one_half() -> None:
    train, holdout = labelled(0, 200), labelled(1, 200)
    fake = train.set_column(2, "two", pa.array(["yes"] * 200))
    got = utility(coded(train, holdout, fake), "two", seed=0)
    assert isinstance(got, Utility)
    assert got.synthetic == 0.5


def test_a_class_absent_from_training_is_scored() -> None:
    train, holdout = labelled(0, 200).select(["x", "three"]), labelled(1, 200).select(["x", "three"])
    fake = train.filter(pa.array([v != "c" for v in train["three"].to_pylist()]))
    got = utility(coded(train, holdout, fake), "three", seed=0)
    assert isinstance(got, Utility)
    assert 0.5 < got.synthetic < got.real


@pytest.mark.parametrize(
    ("holdout", "reason"),
    [
        (pa.array(["yes"] * 200), "single value in the holdout"),
        (pa.nulls(200, pa.string()), "no value in the holdout"),
    ],
)
def test_unscorable_targets_say_why(holdout: pa.Array, reason: str) -> None:
    train = labelled(0, 200).select(["x", "two"])
    real = train.set_column(1, "two", holdout)
    got = utility(coded(train, real, train), "two", seed=0)
    assert isinstance(got, str)
    assert reason in got


def test_a_lone_target_says_why() -> None:
    train = labelled(0, 50).select(["two"])
    assert "no column but the target" in str(utility(coded(train, train, train), "two", seed=0))


def test_rare_classes_in_many_rows_do_not_break_early_stopping() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=10_200)
    y = np.where(x > 0, "a", "b").astype(object)
    y[0] = "c"
    train = pa.table({"x": x, "y": pa.array(y)})
    assert isinstance(utility(coded(train, train.slice(0, 500), train), "y", seed=0), Utility)


def test_times_as_targets() -> None:
    train = labelled(0, 300)
    ticks = pa.array((1.6e18 + 1e15 * train["number"].to_numpy()).astype(np.int64), pa.timestamp("ns"))
    timed = pa.table({"x": train["x"], "t": ticks})
    got = utility(coded(timed, timed, timed), "t", seed=0)
    assert isinstance(got, Utility)
    assert got.real > 0.7
