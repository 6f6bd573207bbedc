"""Private training: the loop's chunks, with batches and noise that the host draws from secret randomness.

Steps are fixed beforehand: no rows are held out, nothing stops early, and nothing that a step saw of the rows
leaves it but the noisy sum. The last averaged parameters are the result.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxsynth.devices import compiled
from jaxsynth.models import Model, Params
from jaxsynth.train.course import History
from jaxsynth.train.loop import Progress
from jaxsynth.train.private_run import PrivateRun

_DRAWN = 8192  # rows drawn for a round of calibration
_ROUNDS = 12  # of calibration


def train_private(
    ready: PrivateRun, *, report: Callable[[Progress], None] | None = None
) -> tuple[Params, History]:
    """Fit parameters by DP-SGD (Abadi et al. 2016); what it releases is what the run's event says.

    Args:
        ready: the training, from `private_run.prepare`.
        report: called after each chunk.

    Returns:
        The averaged parameters after the last step, and the history, which holds no losses. Ctrl-C after the first
        chunk returns the parameters so far with a `TrainingWarning`: fewer steps cost no more privacy.
    """
    state, done = ready.run(report)
    model, plan = ready.model, ready.runner.plan
    params = _calibrated(model, ready.runner.flat.on_host(state.average), ready.finish_key)
    if model.finish is not None:
        params = dict(jax.device_get(jax.jit(model.finish)(params, ready.finish_key)))
    stopped = "finished" if done == plan.chunks else "interrupted"
    return params, History(best=done - 1, steps=done * plan.steps, stopped=stopped)


def _calibrated(model: Model, params: Params, key: jax.Array) -> Params:
    """Set to the columns' frequencies, which are noisy and paid for, over rows that the model itself draws."""
    if model.tally is None or model.calibrate is None:
        return params
    tally, calibrate = model.tally, model.calibrate

    @compiled
    def once(params: Params, key: jax.Array) -> Params:
        rows = model.sample(params, key, _DRAWN, None)
        return calibrate(params, tally(params, rows, jnp.ones(_DRAWN))[1], float(_DRAWN))

    for own in jax.random.split(key, _ROUNDS):
        params = once(params, own)
    return dict(jax.device_get(params))
