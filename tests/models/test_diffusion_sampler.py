from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.models.diffusion_sampler import Held, Walk, nothing_held
from jaxsynth.models.diffusion_sampler import run as run_eagerly
from jaxsynth.models.diffusion_schedule import Schedule

SCHEDULE = Schedule(sigma_min=0.01, sigma_max=40.0, rho=7.0, steps=25)
MEAN, STD = 0.7, 0.3
ROWS = 5000
run = jax.jit(run_eagerly, static_argnums=(0, 1))


def gaussian(walk: Walk, sigma: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The exact posterior mean when the data are N(MEAN, STD^2); codes are fair coins."""
    clean = (walk.numbers * STD**2 + MEAN * sigma**2) / (STD**2 + sigma**2)
    return jax.random.bernoulli(key, 0.5, walk.codes.shape).astype(jnp.int32), clean


def test_the_sampler_recovers_a_gaussian() -> None:
    done = run(gaussian, SCHEDULE, nothing_held(ROWS, 0, 2), jax.random.key(0))
    np.testing.assert_allclose(done.numbers.mean(0), [MEAN] * 2, atol=0.02)
    np.testing.assert_allclose(done.numbers.std(0), [STD] * 2, rtol=0.04)


def test_twice_the_steps_are_a_quarter_of_the_error() -> None:
    """Second order, against the closed form: the equation's solution is linear in the noise it starts from."""
    start = nothing_held(ROWS, 0, 1)

    def spread(steps: int) -> float:
        schedule = Schedule(sigma_min=0.01, sigma_max=40.0, rho=7.0, steps=steps)
        return float(run(gaussian, schedule, start, jax.random.key(0)).numbers.std())

    exact = spread(300)
    assert abs(spread(24) - exact) < 0.35 * abs(spread(12) - exact)


def test_the_network_is_evaluated_as_often_as_declared() -> None:
    seen = []

    def counted(walk: Walk, sigma: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
        jax.debug.callback(lambda s: seen.append(float(s)), sigma)
        return gaussian(walk, sigma, key)

    run(counted, SCHEDULE, nothing_held(8, 3, 2), jax.random.key(0)).numbers.block_until_ready()
    jax.effects_barrier()  # type: ignore[no-untyped-call]
    assert len(seen) == SCHEDULE.evaluations == 49
    assert max(seen) <= 40.001


def _chain(walk: Walk, sigma: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Four codes that are all equal: a masked one copies a revealed one, or is a fair coin."""
    coin = jax.random.bernoulli(key, 0.5, walk.codes.shape)
    known = jnp.where(walk.masked, -1, walk.codes).max(1, keepdims=True)
    return jnp.where(known >= 0, known, coin).astype(jnp.int32), walk.numbers


def test_codes_are_revealed_one_after_the_other() -> None:
    """A deterministic dependence survives only if no two columns of a row are drawn by one evaluation."""
    done = run(_chain, SCHEDULE, nothing_held(5000, 4, 0), jax.random.key(1))
    assert not done.masked.any()
    assert (done.codes == done.codes[:, :1]).mean() > 0.98
    assert abs(done.codes[:, 0].mean() - 0.5) < 0.03


def test_held_cells_stay_and_are_seen() -> None:
    held = nothing_held(3000, 4, 2)
    held = Held(
        held.codes.at[:, 1].set(1),
        held.coded.at[:, 1].set(True),
        held.numbers.at[:, 0].set(1.25),
        held.numbered.at[:, 0].set(True),
    )
    done = run(_chain_and_sum, SCHEDULE, held, jax.random.key(2))
    assert (done.codes == 1).mean() > 0.99
    np.testing.assert_allclose(done.numbers[:, 0], 1.25, atol=1e-5)
    np.testing.assert_allclose(done.numbers[:, 1].mean(), 1.25, atol=0.15)


def _chain_and_sum(walk: Walk, sigma: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The second number equals the first, so that both noisy ones are evidence about it; prior N(0, 1)."""
    both = walk.numbers.sum(1, keepdims=True) / (2 + sigma**2)
    return _chain(walk, sigma, key)[0], jnp.repeat(both, 2, axis=1)
