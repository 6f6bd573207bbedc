from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from scipy.spatial.distance import cdist

from jaxsynth.audit.inference import inference, inferences
from jaxsynth.audit.inputs import AuditTables, read_tables
from jaxsynth.errors import AuditError
from jaxsynth.schema import Schema


def _patients(n: int, seed: int) -> pa.Table:
    rng = np.random.default_rng(seed)
    sick = rng.random(n) < 0.3
    return pa.table(
        {
            "age": rng.normal(60, 12, n),
            "pulse": rng.normal(80, 15, n),
            "pressure": rng.normal(120, 20, n),
            "income": pa.array(rng.normal(0, 30, n).round(), mask=rng.random(n) < 0.2),
            "sex": rng.choice(["female", "male"], n),
            "unit": pa.array(rng.choice(["icu", "ward", "er"], n), mask=rng.random(n) < 0.2).dictionary_encode(),
            "died": sick,
            "seen": pa.array(rng.integers(18_000, 19_000, n), pa.int32()).cast(pa.date32()),
        }
    )


def _read(synthetic: pa.Table, train: pa.Table, holdout: pa.Table) -> AuditTables:
    return read_tables(synthetic, train, holdout, Schema.infer(train), threads=1)


def _is_right(guess: Any, secret: Any) -> bool:
    if guess is None or secret is None:
        return guess is secret
    if isinstance(guess, float):
        return bool(abs(guess - secret) <= 0.05 * abs(guess))
    return bool(guess == secret)


TRAIN, HOLDOUT, SYNTHETIC = _patients(300, 0), _patients(200, 1), _patients(60, 2)


@pytest.mark.parametrize("secret", ["pulse", "income", "sex", "unit", "died", "seen"])
def test_guesses_are_those_of_brute_force(secret: str) -> None:
    known = ["age", "pressure"]
    found = inference(_read(SYNTHETIC, TRAIN, HOLDOUT), secret, seed=0, auxiliary=known)
    width = {n: np.ptp(np.asarray(TRAIN[n])) for n in known}
    guesses = SYNTHETIC[secret].to_pylist()
    for table, successes in ((TRAIN, found.attacked), (HOLDOUT, found.control)):
        a, b = (np.stack([np.asarray(t[n]) / width[n] for n in known], axis=1) for t in (table, SYNTHETIC))
        nearest = cdist(a, b, "cityblock").argmin(axis=1)
        secrets = table[secret].to_pylist()
        assert successes.tolist() == [_is_right(guesses[i], s) for i, s in zip(nearest, secrets, strict=True)]
    chance = [np.mean([_is_right(g, s) for g in guesses]) for s in TRAIN[secret].to_pylist()]
    np.testing.assert_allclose(found.naive, chance, atol=1e-12)


def test_a_number_is_right_within_5_percent_of_the_guess() -> None:
    guess, secret = [100.0, 100.0, 100.0, -100.0, -100.0, 0.0], [95.0, 94.9, 105.0, -95.0, 94.0, 0.0]
    key = pa.array([float(i) for i in range(6)])
    synthetic = pa.table({"key": key, "x": guess})
    train = pa.table({"key": key, "x": secret})
    found = inference(_read(synthetic, train, train), "x", seed=0)
    assert found.attacked.tolist() == [True, False, True, True, False, True]
    assert found.naive.tolist() == pytest.approx([3 / 6, 0, 3 / 6, 2 / 6, 0, 1 / 6])


@pytest.mark.parametrize("secret", ["pulse", "sex", "unit", "seen"])
def test_secrets_of_copied_rows_are_guessed(secret: str) -> None:
    train, holdout, fresh = _patients(1500, 3), _patients(1500, 4), _patients(1500, 5)
    mixed = pa.concat_tables([train.slice(0, 600), fresh.slice(600)]).unify_dictionaries()
    (found,) = inference(_read(mixed, train, holdout), secret, seed=0).results(seed=0)
    assert (found.name, found.verdict) == (f"inference_{secret}", "fail")
    assert found.excess == pytest.approx(0.4, abs=0.1)


def test_what_strangers_tell_is_no_leak() -> None:
    """A secret that follows from the rest is guessed on both sides alike."""
    low = verdicts = 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(3, 800))
        tables = [pa.table({"x": r, "y": r > 0.8, "z": rng.normal(size=800)}) for r in x]
        (found,) = inference(_read(*tables), "y", seed=seed).results(seed=seed)
        low += found.excess_low > 0
        verdicts += found.verdict == "fail"
    assert max(low, verdicts) <= 3


def test_a_copy_does_not_win_ties_by_standing_first() -> None:
    rows = {"known": ["a"] * 200, "secret": ["yes"] * 2 + ["no"] * 198}
    synthetic, real = pa.table(rows), pa.table({"known": ["a"] * 50, "secret": ["yes"] * 25 + ["no"] * 25})
    guessed = [inference(_read(synthetic, real, real), "secret", seed=s).attacked[0] for s in range(60)]
    assert np.mean(guessed) <= 0.1


def test_an_attack_no_better_than_guessing_does_not_pass() -> None:
    rng = np.random.default_rng(0)
    tables = [pa.table({"a": rng.normal(size=3000), "b": rng.choice(list("xyzuvw"), 3000)}) for _ in range(3)]
    evidence = inference(_read(*tables), "b", seed=0)
    (found,) = evidence.results(seed=0)
    assert (found.detectable == 1.0) == (evidence.attacked.mean() <= evidence.naive.mean())


def test_every_column_is_a_secret_unless_named() -> None:
    tables = _read(SYNTHETIC, TRAIN, HOLDOUT)
    found = [e.results(seed=0)[0].name for e in inferences(tables, seed=0)]
    assert found == [f"inference_{n}" for n in TRAIN.column_names]
    (one,) = inferences(tables, seed=0, secrets=["sex"], n_targets=50)
    alone = inference(tables, "sex", seed=0, n_targets=50)
    assert one.results(seed=0) == alone.results(seed=0)
    np.testing.assert_array_equal(one.sides[0].at, alone.sides[0].at)
    assert (len(one.attacked), len(one.control), one.sides[1].table) == (50, 50, "holdout")


@pytest.mark.parametrize(
    ("secret", "arguments", "message"),
    [
        ("name", {}, "inference: 'name' is not a modelled column"),
        ("age", {"auxiliary": ["height"]}, "inference: 'height' is not"),
        ("age", {"auxiliary": []}, "give other columns"),
        ("age", {"auxiliary": ["age", "sex"]}, "give other columns"),
        ("age", {"n_targets": 0}, "n_targets is 0"),
    ],
)
def test_refuses(secret: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(AuditError, match=message):
        inference(_read(SYNTHETIC, TRAIN, HOLDOUT), secret, seed=0, **arguments)
