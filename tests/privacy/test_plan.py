from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.accounting import epsilon_of
from jaxsynth.privacy.events import CountEvent, Event, MeasureEvent
from jaxsynth.privacy.plan import Plan, make_plan
from jaxsynth.privacy.recompute import recomputed_epsilon
from jaxsynth.privacy.settings import Privacy
from jaxsynth.privacy.trade_off import gaussian_mu

FOUR = [{}, {"rows": 5000}, {"rows": 5000, "adjacency": "replace"}, {"discover": 0.2, "rows_per_subject": 3}]


def charges(plan: Plan) -> tuple[Event, ...]:
    """All that a plan allows: every stage in two queries, all levels' delta and the training."""
    first: list[Event] = [CountEvent(epsilon=plan.epsilon_count)] if plan.epsilon_count else []
    for stage in plan.stages:
        delta = plan.levels_delta / 2 if stage.name == "discover" else 0.0
        for part in (0.3, 0.7):
            mu = stage.mu * math.sqrt(part)
            sigma = 5 * plan.privacy.widening / mu
            first.append(
                MeasureEvent(name="q", stage=stage.name, part=part, sensitivity=5, sigma=sigma, mu=mu, delta=delta)
            )
    return (*first, *([plan.training] if plan.training else []))


def spent(plan: Plan) -> float:
    p = plan.privacy
    return recomputed_epsilon(charges(plan), epsilon=p.epsilon, delta=p.delta, adjacency=p.relation)


def trained(plan: Plan, **changes: Any) -> Plan:
    given: dict[str, Any] = {"probability": 0.25, "steps": 60, "parameters": 1000, "units": 5000}
    return plan.with_training(**{**given, "clipping_norm": 1.0, **changes})


@pytest.mark.parametrize("setting", FOUR)
@pytest.mark.parametrize(("epsilon", "delta"), [(0.1, 1e-6), (1.0, 1e-6), (8.0, 1e-5), (1.0, 1e-9)])
def test_a_plan_that_is_spent_whole_costs_epsilon(setting: dict[str, Any], epsilon: float, delta: float) -> None:
    plan = trained(make_plan(Privacy(epsilon=epsilon, delta=delta, **setting), {"marginals": 0.1, "pairs": 0.2}))
    assert (1 - 1e-3) * epsilon < spent(plan) <= epsilon


@pytest.mark.parametrize("setting", FOUR)
def test_a_plan_without_training_costs_epsilon(setting: dict[str, Any]) -> None:
    privacy = Privacy(epsilon=1.0, **setting)
    plan = make_plan(privacy, {"marginals": 1 - privacy.discover})
    assert 0.999 < spent(plan) <= 1


@settings(max_examples=8, deadline=None)
@given(
    epsilon=st.floats(0.05, 12),
    log_delta=st.floats(-9, -3),
    shares=st.lists(st.floats(0.01, 0.2), max_size=3),
    discover=st.sampled_from([0.0, 0.1]),
    probability=st.floats(0.1, 1.0),
    steps=st.integers(20, 300),
)
def test_no_plan_costs_more_than_epsilon(
    epsilon: float, log_delta: float, shares: list[float], discover: float, probability: float, steps: int
) -> None:
    privacy = Privacy(epsilon=epsilon, delta=10**log_delta, discover=discover)
    plan = make_plan(privacy, {f"stage {i}": share for i, share in enumerate(shares)})
    plan = trained(plan, probability=probability, steps=steps)
    assert (1 - 2e-3) * epsilon < spent(plan) <= epsilon
    assert epsilon_of(charges(plan), delta=privacy.delta, adjacency="add-remove") <= epsilon


def test_shares_are_of_the_squared_parameter() -> None:
    plan = make_plan(Privacy(epsilon=1, rows=100), {"a": 0.1, "b": 0.4})
    a, b = plan.stages
    assert b.mu / a.mu == pytest.approx(2)
    assert a.mu == pytest.approx(math.sqrt(0.1) * gaussian_mu(1, 1e-6), rel=1e-3)
    assert plan.left == pytest.approx(0.5)


def test_the_count_is_paid_where_it_is_private() -> None:
    assert make_plan(Privacy(epsilon=2), {}).epsilon_count == pytest.approx(0.04)
    assert make_plan(Privacy(epsilon=2, rows=9), {}).epsilon_count == 0
    assert trained(make_plan(Privacy(epsilon=2, rows=5000), {})).training.units_bound == 5000  # type: ignore[union-attr]


def test_a_plan_is_a_table() -> None:
    text = str(trained(make_plan(Privacy(epsilon=1, discover=0.1, rows_per_subject=3), {"marginals": 0.1})))
    lines = text.splitlines()
    assert lines[0] == "epsilon 1, delta 1e-06, add-remove, at most 3 row(s) of a subject"
    assert [line.split()[0] for line in lines[1:]] == ["stage", "count", "discover", "marginals", "training"]
    assert "subjects +- 70.7" in text
    assert "counts +- 41" in text
    assert "60 batches, probability 0.25" in text
    assert "80 %" in lines[-1]
    assert "none: 7 subjects" in str(make_plan(Privacy(epsilon=1, rows=7), {}))


def test_a_void_plan_says_so() -> None:
    with pytest.warns(UserWarning, match="NOT PRIVATE"):
        privacy = Privacy(epsilon=1, deterministic_noise=True)
    assert str(make_plan(privacy, {})).startswith("NOT PRIVATE")


def test_the_probability_is_a_multiple_of_the_samplers() -> None:
    training = trained(make_plan(Privacy(epsilon=1, rows=5000), {}), probability=0.3).training
    assert training is not None
    assert training.threshold == round(0.3 * 2**32)
    assert training.probability * 2**32 == training.threshold
    assert training.draws == 60_000


@pytest.mark.parametrize(
    ("stages", "says"),
    [
        ({"a": 0.0}, "share 0.0"),
        ({"a": math.nan}, "share nan"),
        ({"a": 0.6, "b": 0.5}, "more than 1"),
        ({"discover": 0.1}, r"Privacy\(discover"),
    ],
)
def test_bad_shares(stages: dict[str, float], says: str) -> None:
    with pytest.raises(PrivacyError, match=says):
        make_plan(Privacy(epsilon=1), stages)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"probability": 0.0}, "probability"),
        ({"steps": 0}, "steps 0"),
        ({"units": 0}, "units 0"),
        ({"clipping_norm": math.nan}, "clipping_norm"),
        ({"steps": 100_001}, "100000"),
        ({"steps": 100_000, "parameters": 10**9}, "numbers of noise"),
    ],
)
def test_bad_trainings(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(PrivacyError, match=says):
        trained(make_plan(Privacy(epsilon=1), {}), **changes)


def test_nothing_left_to_train_with() -> None:
    with pytest.raises(PrivacyError, match="whole budget"):
        trained(make_plan(Privacy(epsilon=1), {"marginals": 1.0}))


def test_more_noise_than_its_own_errors_allow() -> None:
    with pytest.raises(PrivacyError, match="raise delta"):
        make_plan(Privacy(epsilon=20, delta=1e-9), {})
