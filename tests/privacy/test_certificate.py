from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.errors import ArtefactError
from jaxsynth.privacy.certificate import NOT_COVERED, Certificate
from jaxsynth.privacy.ledger import Ledger
from jaxsynth.privacy.plan import make_plan
from jaxsynth.privacy.query import Query
from jaxsynth.privacy.randomness import Deterministic, Secure
from jaxsynth.privacy.settings import Privacy
from jaxsynth.schema import Column, Schema

SCHEMA = Schema(columns=(Column(name="x", kind="integer", type="int64", bounds=(0, 4), resolution=1.0),))
TABLE = pa.table({"x": pa.array([0, 1, 2, 3] * 250, pa.int64())})


def spent(*, randomness: Any = None, shares: tuple[float, float] = (0.1, 0.2), **privacy: Any) -> Certificate:
    plan = make_plan(Privacy(**{"epsilon": 1.0, **privacy}), dict(zip(("first", "second"), shares, strict=True)))
    ledger = Ledger(TABLE, SCHEMA, plan, randomness or Secure())
    query = Query(name="x", sensitivity=1.0, statistic=lambda t: np.bincount(t["x"].to_numpy()).astype(np.int64))
    for stage in ("first", "second"):
        ledger.measure(query, stage=stage)
    plan = plan.with_training(probability=0.25, steps=40, parameters=100, units=ledger.count(), clipping_norm=0.5)
    ledger.training_rows(lambda table, units: None, plan=plan)
    return Certificate.of(ledger, SCHEMA)


@pytest.fixture(scope="module")
def certificate() -> Certificate:
    return spent()


@pytest.mark.parametrize("given", [{}, {"rows": 1000, "epsilon": 5.0}, {"rows": 1000, "adjacency": "replace"}])
def test_recomputed_epsilon_is_the_declared_one(given: dict[str, Any]) -> None:
    made = spent(**given)
    assert (1 - 1e-3) * made.epsilon < made.recompute() <= made.epsilon


def test_recompute_notices_what_is_too_little(certificate: Certificate) -> None:
    *measured, training = certificate.events
    assert replace(certificate, events=(*measured, measured[0], training)).recompute() > certificate.epsilon
    less: Any = training
    for changes in ({"noise_multiplier": less.noise_multiplier / 1.01}, {"steps": 41}, {"batch_size": 200}):
        assert replace(certificate, events=(*measured, replace(less, **changes))).recompute() > certificate.epsilon
    assert replace(certificate, delta=certificate.delta / 2).recompute() > certificate.epsilon


def test_json_round_trip(certificate: Certificate) -> None:
    text = json.dumps(certificate.to_json())
    assert Certificate.from_json(json.loads(text)) == certificate


def _altered(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return value * 2 + 1
    if isinstance(value, str):
        return value[:-1] + chr(ord(value[-1]) ^ 1) if value else "x"
    return None


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    if isinstance(value, dict):
        return [p for k, v in value.items() for p in _paths(v, (*path, k))]
    if isinstance(value, list):
        return [p for i, v in enumerate(value) for p in _paths(v, (*path, i))]
    return [path]


def test_every_altered_field_is_noticed(certificate: Certificate) -> None:
    text = json.dumps(certificate.to_json())
    paths = _paths(json.loads(text))
    assert len(paths) > 40
    for path in paths:
        data = json.loads(text)
        place = data
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = _altered(place[path[-1]])
        with pytest.raises(ArtefactError):
            Certificate.from_json(data)
        del place[path[-1]]
        with pytest.raises(ArtefactError):
            Certificate.from_json(data)


def test_every_altered_byte_is_noticed(certificate: Certificate) -> None:
    text = json.dumps(certificate.to_json())
    original = json.loads(text)
    for i in range(0, len(text), 3):
        changed = text[:i] + chr(ord(text[i]) ^ 1) + text[i + 1 :]
        try:
            data = json.loads(changed)
        except ValueError:
            continue
        if data != original:
            with pytest.raises(ArtefactError):
                Certificate.from_json(data)


@pytest.mark.parametrize("data", [None, [], {}, {"format": "other"}, {"format": "jaxsynth-privacy-certificate"}])
def test_foreign_files(data: Any) -> None:
    with pytest.raises(ArtefactError, match="certificate"):
        Certificate.from_json(data)


def test_text_says_what_was_done(certificate: Certificate) -> None:
    text = str(certificate)
    assert text.startswith("(1, 1e-06)-differentially private")
    for part in (
        "add-remove",
        "3. count: discrete Laplace, epsilon 0.02",
        "clipping norm 0.5",
        "Poisson, probability 0.25",
    ):
        assert part in text
    assert all(line in text for line in NOT_COVERED)
    assert SCHEMA.digest in text
    assert certificate.digest in text
    assert "dp-accounting 0." in certificate.accountant
    assert "threefry" in spent(noise="threefry").noise


def test_deterministic_noise_voids() -> None:
    with pytest.warns(UserWarning, match="NOT PRIVATE"):
        made = spent(randomness=Deterministic(1), deterministic_noise=True)
    assert made.void
    assert str(made).startswith("NOT PRIVATE")
    assert made.to_json()["statement"].startswith("NOT PRIVATE")
    assert Certificate.from_json(made.to_json()).void
