"""The same tables through anonymeter 1.1.0, by the authors of the attacks: figures within each other's limits."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from anonymeter.evaluators import InferenceEvaluator, LinkabilityEvaluator, SinglingOutEvaluator
from anonymeter.stats.confidence import EvaluationResults

from jaxsynth.audit.evidence import Evidence
from jaxsynth.audit.inference import inference
from jaxsynth.audit.inputs import read_tables
from jaxsynth.audit.linkability import linkability
from jaxsynth.audit.result import AuditResult
from jaxsynth.audit.singling_out import singling_out
from jaxsynth.schema import Schema

ATTACKS = 400
RUNS = 10
PARTS = (["age", "pulse", "sex"], ["weight", "height", "ward"])


class Tables(NamedTuple):
    synthetic: pd.DataFrame
    train: pd.DataFrame
    holdout: pd.DataFrame


def _patients(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    female = rng.random(n) < 0.5
    height = rng.normal(178 - 13 * female, 7, n)
    return pd.DataFrame(
        {
            "age": rng.integers(18, 100, n),
            "pulse": rng.normal(80, 15, n).round(1),
            "height": height,
            "weight": rng.normal(height - 100, 8).round(2),
            "sex": np.where(female, "female", "male"),
            "ward": rng.choice(["icu", "surgery", "er", "geriatrics"], n),
        }
    )


@pytest.fixture(scope="module", params=[0.0, 0.4], ids=["no leak", "copies"])
def tables(request: pytest.FixtureRequest) -> Tables:
    train, holdout, fresh = (_patients(1000, seed) for seed in range(3))
    copies = train[: int(request.param * 1000)]
    return Tables(pd.concat([copies, fresh[len(copies) :]], ignore_index=True), train, holdout)


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """Anonymeter warns of attacks that are no better than guesses, and draws from the global generator."""
    np.random.seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _ours(tables: Tables, attack: Any, **arguments: Any) -> tuple[AuditResult, ...]:
    synthetic, train, holdout = (pa.Table.from_pandas(t, preserve_index=False) for t in tables)
    read = read_tables(synthetic, train, holdout, Schema.infer(train), threads=1)
    evidence: Evidence | tuple[Evidence, ...] = attack(read, seed=0, **arguments)
    every = evidence if isinstance(evidence, tuple) else (evidence,)
    return tuple(r for e in every for r in e.results(seed=0))


def _agree(ours: AuditResult, theirs: EvaluationResults) -> None:
    risk = theirs.risk()
    for rate, estimate, low, high in (
        (theirs.attack_rate, ours.estimate, ours.low, ours.high),
        (theirs.control_rate, ours.baseline, ours.baseline_low, ours.baseline_high),
    ):
        assert abs(estimate - rate.value) <= rate.error
        assert low <= rate.value <= high
    assert risk.ci[0] <= max(0, ours.excess) <= risk.ci[1]
    assert max(0, ours.excess_low) <= risk.value <= max(0, ours.excess_high)


def _mean(every: Sequence[EvaluationResults]) -> EvaluationResults:
    """As many attacks as in one run, and as many successes as in the mean run."""
    counts = [(e.n_success, e.n_baseline, e.n_control) for e in every]
    success, baseline, control = (round(n) for n in np.mean(counts, axis=0))
    return EvaluationResults(n_attacks=ATTACKS, n_success=success, n_baseline=baseline, n_control=control)


@pytest.mark.parametrize("mode", ["univariate", "multivariate"])
def test_singling_out(tables: Tables, mode: str) -> None:
    """Anonymeter shuffles values in the order in which Polars happens to list them, so no seed fixes its draw."""
    synthetic, train, holdout = tables
    runs = (
        SinglingOutEvaluator(ori=train, syn=synthetic, control=holdout, n_attacks=ATTACKS, n_cols=4, seed=seed)
        for seed in range(RUNS)
    )
    found = _ours(tables, singling_out, n_predicates=ATTACKS, n_columns=4)
    _agree(found[mode == "multivariate"], _mean([run.evaluate(mode=mode).results() for run in runs]))


def test_linkability(tables: Tables) -> None:
    synthetic, train, holdout = tables
    theirs = LinkabilityEvaluator(
        ori=train, syn=synthetic, control=holdout, aux_cols=PARTS, n_attacks=1000, n_neighbors=2
    )
    (ours,) = _ours(tables, linkability, parts=PARTS, k=2)
    _agree(ours, theirs.evaluate(n_jobs=1).results())


@pytest.mark.parametrize("secret", ["weight", "sex", "ward"])
def test_inference(tables: Tables, secret: str) -> None:
    synthetic, train, holdout = tables
    known = [c for c in train.columns if c != secret]
    theirs = InferenceEvaluator(
        ori=train, syn=synthetic, control=holdout, aux_cols=known, secret=secret, n_attacks=1000,
        regression=secret == "weight",
    )  # fmt: skip
    (ours,) = _ours(tables, inference, secret=secret)
    _agree(ours, theirs.evaluate(n_jobs=1).results())
