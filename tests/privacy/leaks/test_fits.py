"""Whole fits: whatever they release follows from what the one ledger answered, and from settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import jaxsynth as js
from jaxsynth import fitting_private
from jaxsynth.codec import Codec
from jaxsynth.privacy.ledger import Ledger
from jaxsynth.train import History
from tests.privacy.leaks.tables import other_table, public, table

pytestmark = [
    pytest.mark.filterwarnings("ignore:NOT PRIVATE"),
    pytest.mark.filterwarnings("ignore:direct identifiers are not learned"),
]

SMALL = js.VAE(latent=2, hidden=(8,))
Fit = Callable[[pa.Table], js.Synthesizer]


def _fit(
    source: pa.Table, generator: js.VAE = SMALL, schema: js.Schema | None = None, **settings: Any
) -> js.Synthesizer:
    privacy = js.Privacy(**{"epsilon": 1.0, "deterministic_noise": True, **settings})
    return js.fit(source, generator, schema=schema or public(), privacy=privacy, progress=False)


def _described_by_hand(rows: pa.Table) -> js.Synthesizer:
    """A schema of the table of which all is replaced that is learned; names are made identifiers afterwards."""
    schema = js.Schema.infer(rows).changed("person", kind="identifier", output="drop", pii="name")
    for column in public().modelled:
        told = {name: getattr(column, name) for name in ("levels", "bounds", "nullable", "resolution")}
        schema = schema.changed(column.name, **told)
    return _fit(rows, schema=schema)


def _discovered(rows: pa.Table) -> js.Synthesizer:
    schema = js.Schema.infer(rows).changed("person", kind="identifier", output="drop", pii="name")
    return _fit(rows, schema=schema, epsilon=10.0, discover=0.3)


OURS: dict[str, Fit] = {
    "declared": _fit,
    "public number of rows": lambda rows: _fit(rows, rows=1000),
    "several rows a person": lambda rows: _fit(
        rows, schema=replace(public(), subject="person"), rows_per_subject=2
    ),
    "described by hand": _described_by_hand,
    "discovered": _discovered,
}


def _delta_of_n(rows: pa.Table) -> js.Synthesizer:
    return _fit(rows, delta=1e-4 / rows.num_rows)


def _bounds_of_rows(rows: pa.Table) -> js.Synthesizer:
    return _fit(rows, schema=public().changed("age", bounds=(0, pc.max(rows["age"]).as_py())))


def _size_of_n(rows: pa.Table) -> js.Synthesizer:
    """As settings that were searched for on the table would be."""
    return _fit(rows, js.VAE(latent=2, hidden=(8,), learning_rate=1 / rows.num_rows))


def _with(source: pa.Table, **changes: Any) -> js.Synthesizer:
    return js.Synthesizer(replace(_fit(source).artefact, **changes))


def _pretrained(rows: pa.Table) -> js.Synthesizer:
    return _with(rows, params={"bias": np.array([pc.mean(rows["cost"]).as_py()], np.float32)})


def _codec_of_rows(rows: pa.Table) -> js.Synthesizer:
    """As when intervals are cut, or columns found that repeat others, on rows: without a charge."""
    return _with(rows, codec=Codec.fit(public(), rows.take(pa.array(range(200)))))


def _loss_on_rows(rows: pa.Table) -> js.Synthesizer:
    return _with(rows, history=History(losses=(pc.stddev(rows["cost"]).as_py(),)))


def _true_n(rows: pa.Table) -> js.Synthesizer:
    return _with(rows, rows=rows.num_rows)


def _hash_of_levels(rows: pa.Table) -> js.Synthesizer:
    """A digest is no noise: guesses can be compared with it."""
    found = _fit(rows).certificate
    return _with(rows, certificate=replace(found, schema_digest=js.Schema.infer(rows).digest))  # type: ignore[type-var]


def only_the_ledger_reads(fit: Fit, patch: pytest.MonkeyPatch, folder: Path) -> None:
    """The model file is the same when all but the ledger are given another table."""

    def handed(model: object, layout: object, data: object, *others: Any, **how: Any) -> Any:
        """In the place of a training made ready, which is a function of these."""
        leaves = jax.tree.leaves((data, others[0], how["randomness"].uniforms(1)))
        return {str(i): np.asarray(leaf) for i, leaf in enumerate(leaves)}

    patch.setattr(fitting_private, "prepare", handed)
    patch.setattr(fitting_private, "train_private", lambda ready, **_: (ready, History()))
    wanted = fit(table()).save(folder / "a")
    patch.setattr(fitting_private, "Ledger", lambda rows, *others: Ledger(table(), *others))
    assert fit(other_table()).save(folder / "b") == wanted


@pytest.mark.parametrize("fit", OURS.values(), ids=OURS)
def test_only_the_ledger_reads(fit: Fit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    only_the_ledger_reads(fit, monkeypatch, tmp_path)


@pytest.mark.parametrize(
    "broken",
    [
        _delta_of_n,
        _bounds_of_rows,
        _size_of_n,
        _pretrained,
        _codec_of_rows,
        _loss_on_rows,
        _true_n,
        _hash_of_levels,
    ],
)
def test_reads_beside_the_ledger_are_caught(broken: Fit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(AssertionError):
        only_the_ledger_reads(broken, monkeypatch, tmp_path)
