from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.models.diffusion_schedule import Schedule, draw_reveals, draw_times, mask_weight, scaling
from jaxsynth.models.row_keys import RowKeys

SCHEDULE = Schedule(sigma_min=0.01, sigma_max=40.0, rho=7.0, steps=25)


def test_the_ends_of_the_noise_are_as_declared() -> None:
    np.testing.assert_allclose(SCHEDULE.sigma(jnp.array([0.0, 1.0])), [0.01, 40.0], rtol=1e-5)
    levels = np.asarray(SCHEDULE.sigma(jnp.asarray(SCHEDULE.times)))
    assert (np.diff(levels) < 0).all()
    assert SCHEDULE.times[0] == 1
    assert SCHEDULE.times[-1] == 0


def test_karras_levels_are_linear_in_the_rho_th_root() -> None:
    middle = SCHEDULE.sigma(jnp.float32(0.5)) ** (1 / 7)
    np.testing.assert_allclose(middle, (0.01 ** (1 / 7) + 40 ** (1 / 7)) / 2, rtol=1e-5)


def test_preconditioning_keeps_unit_variance() -> None:
    """EDM appendix B.6: input and target of the network have variance 1 at every noise level."""
    sigma = jnp.array([0.01, 0.3, 1.0, 7.0, 40.0])
    scale = scaling(sigma)
    np.testing.assert_allclose(scale.into**2 * (1 + sigma**2), 1.0, rtol=1e-5)
    target = ((1 - scale.skip) ** 2 + (scale.skip * sigma) ** 2) / scale.out**2
    np.testing.assert_allclose(target, 1.0, rtol=1e-4)


def test_a_zero_output_is_the_best_estimate_of_pure_noise() -> None:
    """For data from N(0, 1) the posterior mean is x / (1 + sigma^2), which is the skip path alone."""
    scale = scaling(jnp.float32(2.0))
    np.testing.assert_allclose(scale.skip, 1 / 5, rtol=1e-6)
    np.testing.assert_allclose(scale.skip + scale.out**2 * scale.into**2 / scale.skip, 1.0, rtol=1e-5)


def test_the_mask_weight_is_one_over_time_and_bounded() -> None:
    np.testing.assert_allclose(mask_weight(jnp.array([1.0, 0.5, 0.1])), [1.0, 2.0, 10.0], rtol=1e-6)
    assert mask_weight(jnp.zeros(())) < 100


def test_times_of_a_batch_fill_the_unit_interval_evenly() -> None:
    for rows in (8, 50, 64, 512):
        times = np.sort(np.asarray(draw_times(RowKeys.of(jax.random.key(3), rows))))
        assert ((times >= 0) & (times < 1)).all()
        gaps = np.diff(np.append(times, times[0] + 1)) * rows
        assert (gaps > 0.4).all()
        assert (gaps < 2.0).all()


def test_reveals_are_uniform_and_take_turns() -> None:
    reveal = np.asarray(draw_reveals(jax.random.key(0), 4000, 10))
    assert ((reveal > 0) & (reveal < 1)).all()
    np.testing.assert_array_equal(np.sort(np.floor(reveal * 10), axis=1), np.tile(np.arange(10), (4000, 1)))
    np.testing.assert_allclose(
        np.quantile(reveal, [0.25, 0.5, 0.75], axis=0).mean(1), [0.25, 0.5, 0.75], atol=0.02
    )
