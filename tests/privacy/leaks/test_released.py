"""What leaves a private fit: no losses, no early stop, rows drawn without the table, noise nobody can replay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import jaxsynth as js
from jaxsynth.errors import IdentifierWarning
from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.privacy.randomness import Deterministic, Secure
from jaxsynth.train import History
from tests.privacy.leaks.tables import public, table


@pytest.fixture(scope="module")
def private() -> js.Synthesizer:
    small, privacy = js.VAE(latent=2, hidden=(8,)), js.Privacy(epsilon=1.0)
    with pytest.warns(IdentifierWarning):
        return js.fit(table(), small, schema=public(), privacy=privacy, progress=False)


PARTS = 20  # of training, each reported


def nothing_but_the_plan_decides_how_long_training_takes(history: History, planned: int) -> None:
    """No early stop, nothing held out, no loss kept, no parameters but the last."""
    assert (history.steps, history.stopped) == (planned, "finished")
    assert history.best == PARTS - 1
    assert not history.losses
    assert not history.held_out


@pytest.mark.parametrize(
    "broken",
    [
        {"steps": 80, "stopped": "early"},
        {"steps": 180},  # until epsilon is exceeded
        {"best": 7},
        {"losses": (3.0,) * PARTS},
        {"held_out": (3.0,) * PARTS},
    ],
    ids=str,
)
def test_early_stops_best_parameters_and_losses_are_caught(
    private: js.Synthesizer, broken: dict[str, Any]
) -> None:
    assert private.certificate is not None
    planned = private.certificate.events[-1]
    assert isinstance(planned, TrainingEvent)
    nothing_but_the_plan_decides_how_long_training_takes(private.history, planned.steps)
    with pytest.raises(AssertionError):
        nothing_but_the_plan_decides_how_long_training_takes(replace(private.history, **broken), planned.steps)


class _Filtered(js.Synthesizer):
    """Leaves out rows that look like a real one: an attacker learns of the rows that never come."""

    def sample(self, rows: int, *, seed: int, start: int = 0, where: object = None) -> pa.Table:
        drawn = super().sample(rows, seed=seed, start=start)
        real = set(zip(table()["age"].to_pylist(), table()["sex"].to_pylist(), strict=True))
        looks = zip(drawn["age"].to_pylist(), drawn["sex"].to_pylist(), strict=True)
        return drawn.filter(pa.array([look not in real for look in looks]))


class _Completed(js.Synthesizer):
    """Empties what no real row has."""

    def sample(self, rows: int, *, seed: int, start: int = 0, where: object = None) -> pa.Table:
        drawn = super().sample(rows, seed=seed, start=start)
        seen = pc.is_in(drawn["sex"], pc.unique(table()["sex"]))
        at = drawn.column_names.index("sex")
        return drawn.set_column(at, "sex", pc.if_else(seen, drawn["sex"], pa.scalar(None, pa.string())))


def rows_follow_from_the_model_file(synth: js.Synthesizer, folder: Path) -> None:
    """The file holds what was paid for and nothing else (`test_fits.py`)."""
    synth.save(folder / "m.jsynth")
    again = js.load(folder / "m.jsynth")
    assert again.sample(1000, seed=5).equals(synth.sample(1000, seed=5))


def test_rows_are_drawn_without_the_table(private: js.Synthesizer, tmp_path: Path) -> None:
    rows_follow_from_the_model_file(private, tmp_path)
    for broken in _Filtered, _Completed:
        with pytest.raises(AssertionError):
            rows_follow_from_the_model_file(broken(private.artefact), tmp_path)


def noise_cannot_be_replayed(draw: Callable[[int], np.ndarray]) -> None:
    """The user's seed must not give the noise."""
    assert not np.array_equal(draw(0), draw(0))


def test_noise_by_the_seed_is_caught() -> None:
    noise_cannot_be_replayed(lambda seed: Secure().gaussian((50,), 1000.0))
    with pytest.raises(AssertionError):
        noise_cannot_be_replayed(lambda seed: Deterministic(seed).gaussian((50,), 1000.0))
