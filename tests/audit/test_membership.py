from __future__ import annotations

import numpy as np
import pytest

from jaxsynth.audit.evidence import Rows
from jaxsynth.audit.intervals import newcombe, z_two_sided
from jaxsynth.audit.membership import Attack, MembershipEvidence, Scores
from jaxsynth.audit.roc import auc, clopper_pearson

ATTACK = Attack(name="membership_toy", title="Toy", threat="The attacker has the released rows.")


def _evidence(
    n: int, shift: float, rng: np.random.Generator, *, measured: bool = True, step: float = 0.0
) -> MembershipEvidence:
    def rounded(x: np.ndarray) -> np.ndarray:
        return np.round(x / step) * step if step else x

    ease = rng.normal(size=(2, n))
    scores = [rounded(ease[i] + rng.normal(size=n) + shift * (i == 0)) for i in (0, 1)]
    real = [rounded(ease[i] + rng.normal(size=n)) for i in (0, 1)]
    return MembershipEvidence(
        attack=ATTACK,
        members=Rows("train", np.arange(n)),
        non_members=Rows("holdout", np.arange(n) + 7),
        scores=Scores(members=scores[0], non_members=scores[1]),
        baseline=Scores(members=real[0], non_members=real[1]) if measured else None,
    )


def test_results_are_the_figures_of_the_scores() -> None:
    evidence = _evidence(400, 1.0, np.random.default_rng(0))
    area, strict, stricter = evidence.results(seed=5, confidence=0.99)
    assert [r.name for r in (area, strict, stricter)] == [
        "membership_toy_auc", "membership_toy_tpr_1", "membership_toy_tpr_01",
    ]  # fmt: skip
    assert (area.estimate, area.low, area.high) == auc(
        evidence.scores.members, evidence.scores.non_members, confidence=0.99
    )
    assert area.excess == pytest.approx(area.estimate - area.baseline)
    assert (area.n, area.n_baseline, area.unit) == (400, 400, "AUC")
    assert (strict.n, strict.n_baseline, strict.unit, strict.seed) == (400, 200, "share of rows", 5)
    hits, false = round(strict.estimate * 400), round(strict.baseline * 200)
    assert (strict.estimate, strict.low, strict.high) == clopper_pearson(hits, 400, confidence=0.99)
    joint = newcombe(hits, 400, false, 200, z=z_two_sided(1 - 0.01 / 3))
    assert (strict.excess, strict.excess_low, strict.excess_high) == joint
    assert {r.confidence for r in (area, strict, stricter)} == {0.99}
    assert {r.threat for r in (area, strict, stricter)} == {ATTACK.threat}


def test_thresholds_keep_their_rates_on_rows_that_did_not_set_them() -> None:
    rng = np.random.default_rng(1)
    rates = [[r.baseline for r in _evidence(2000, 0.0, rng).results(seed=s)[1:]] for s in range(300)]
    # Above the r-th largest of n scores lie r / (n + 1) of new ones on average.
    np.testing.assert_allclose(np.mean(rates, axis=0), [11 / 1001, 2 / 1001], rtol=0.15)


@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize(("n", "step"), [(60, 0.0), (400, 0.5), (3000, 0.0)])
def test_attacks_on_an_innocent_release_fail_in_at_most_one_case_of_twenty(
    measured: bool, n: int, step: float
) -> None:
    rng = np.random.default_rng(2)
    alarms = 0
    for seed in range(200):
        found = _evidence(n, 0.0, rng, measured=measured, step=step).results(seed=seed)
        alarms += any(r.verdict == "fail" for r in found)
    assert alarms <= 10


@pytest.mark.parametrize("measured", [True, False])
def test_a_detectable_area_is_found_with_80_percent_power(measured: bool) -> None:
    rng = np.random.default_rng(3)
    detectable = np.mean(
        [_evidence(1000, 0.0, rng, measured=measured).results(seed=0)[0].detectable for _ in range(20)]
    )
    shift = 2 * np.sqrt(2 * np.pi) * detectable  # slope of the normal area at 0: both scores have variance 2
    found = [_evidence(1000, shift, rng, measured=measured).results(seed=0)[0] for _ in range(400)]
    assert np.mean([r.excess for r in found]) == pytest.approx(detectable, rel=0.1)
    assert 0.74 <= np.mean([r.verdict == "fail" for r in found]) <= 0.87


def test_a_leak_fails_and_no_question_is_open_at_10000_rows() -> None:
    rng = np.random.default_rng(4)
    assert [r.verdict for r in _evidence(5000, 1.0, rng).results(seed=0)] == ["fail"] * 3
    for seed in range(20):
        assert "underpowered" not in [r.verdict for r in _evidence(10_000, 0.0, rng).results(seed=seed)]


def test_a_shift_that_real_rows_show_as_well_is_no_excess() -> None:
    rng = np.random.default_rng(5)
    evidence = _evidence(2000, 0.0, rng)
    moved = Scores(members=evidence.scores.members + 1, non_members=evidence.scores.non_members)
    assert evidence.baseline is not None
    real = Scores(members=evidence.baseline.members + 1, non_members=evidence.baseline.non_members)
    shifted = MembershipEvidence(
        attack=ATTACK, members=evidence.members, non_members=evidence.non_members, scores=moved, baseline=real
    )
    found = shifted.results(seed=0)[0]
    assert found.estimate > 0.65
    assert found.verdict == "pass"


def test_among_keeps_rows_and_scores_together() -> None:
    evidence = _evidence(50, 0.0, np.random.default_rng(6))
    members, non_members = np.arange(50) < 20, np.arange(50) % 2 == 0
    some = evidence.among(members, non_members)
    assert [len(side.at) for side in some.sides] == [20, 25]
    assert some.sides[1].at.tolist() == list(range(7, 57, 2))
    assert some.baseline is not None
    assert evidence.baseline is not None
    for part, whole in ((some.scores, evidence.scores), (some.baseline, evidence.baseline)):
        assert part.members.tolist() == whole.members[:20].tolist()
        assert part.non_members.tolist() == whole.non_members[::2].tolist()


@pytest.mark.parametrize(("m", "n"), [(1, 1), (1, 40), (40, 1), (2, 2), (5, 3)])
@pytest.mark.parametrize("measured", [True, False])
@pytest.mark.parametrize("shift", [0.0, 50.0])
def test_few_rows_are_underpowered(m: int, n: int, measured: bool, shift: float) -> None:
    evidence = _evidence(40, shift, np.random.default_rng(7), measured=measured)
    for r in evidence.among(np.arange(40) < m, np.arange(40) < n).results(seed=0, confidence=0.999):
        assert r.verdict == "underpowered"
        assert r.low <= r.estimate <= r.high
        assert r.excess_low <= r.excess <= r.excess_high


def test_constant_scores_tell_nothing() -> None:
    constant = Scores(members=np.zeros(3000), non_members=np.zeros(3000))
    rows = Rows("train", np.arange(3000)), Rows("holdout", np.arange(3000))
    evidence = MembershipEvidence(
        attack=ATTACK, members=rows[0], non_members=rows[1], scores=constant, baseline=constant
    )
    assert [r.excess for r in evidence.results(seed=0)] == [0.0, 0.0, 0.0]
    assert "fail" not in [r.verdict for r in evidence.results(seed=0)]
