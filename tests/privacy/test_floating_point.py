"""The floating-point attack of Mironov (2012) and of Jin et al. (2022, arXiv:2112.05307), and what stops it.

One of two values, a thousandth of the noise's standard deviation apart, is released with noise; an attacker who
has only the distribution to go by is right in 50.02 % of cases. Noise made in floating point reaches few of the
numbers that a release could be, so a release often has a preimage under one of the values alone.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.privacy.accounting import TRAINING_GRID
from jaxsynth.privacy.randomness import Secure

VALUES = (0.0, 0.001)
GRID = TRAINING_GRID  # steps in a standard deviation

Bools = NDArray[np.bool_]
Floats = NDArray[np.floating]
Integers = NDArray[np.int64]


def success(reachable: list[Bools], secret: NDArray[np.int64]) -> float:
    """How often the attacker is right who names the only value with a preimage, or throws a coin."""
    first, second = reachable
    guess = np.where(first == second, 0.5, second)
    return float(np.mean(1 - np.abs(guess - secret)))


def float32_support() -> Floats:
    """All normal numbers that JAX can draw in float32: a function of 23 random bits."""
    one = np.float32(1)
    uniform = (np.arange(2**23, dtype=np.uint32) | one.view(np.uint32)).view(np.float32) - one
    low = np.nextafter(-one, np.float32(0))
    uniform = np.maximum(low, uniform * (one - low) + low)
    return np.unique(np.asarray(jax.jit(lambda u: np.float32(np.sqrt(2)) * jax.lax.erf_inv(u))(uniform)))


def reachable_float32(released: Floats, value: float, support: Floats) -> Bools:
    """Whether some noise of the support, added to the value, rounds to what was released."""
    v = np.float32(value)
    above = np.searchsorted(support, (released.astype(np.float64) - v).astype(np.float32))
    # The preimages are an interval around the difference, so if there are any, one is next to it.
    near = np.clip(above[:, None] + np.arange(-2, 3), 0, len(support) - 1)
    found: Bools = np.any(v + support[near] == released[:, None], axis=1)
    return found


def polar(x: Floats, y: Floats) -> tuple[Floats, Floats]:
    """Marsaglia's polar method, in the operations and the order of numpy.random's legacy generator."""
    square = x * x + y * y
    factor = np.sqrt(-2.0 * np.log(square) / square)
    return factor * y, factor * x


def reachable_polar(released: Floats, value: float) -> Bools:
    """Whether some point of the lattice that the polar method starts from gives both numbers. Shape (n, 2)."""
    noise = (released - value).astype(np.longdouble)
    square = np.exp(-(noise**2).sum(axis=1) / 2)
    lattice = np.rint(noise / np.sqrt(-2 * np.log(square) / square)[:, None] * 2**52)
    found = np.zeros(len(released), dtype=bool)
    for i, j in np.ndindex(7, 7):
        y, x = ((lattice[:, column] + shift - 3).astype(np.float64) / 2**52 for column, shift in enumerate((i, j)))
        first, second = polar(x, y)
        found |= (value + first == released[:, 0]) & (value + second == released[:, 1])
    return found


def told_by_low_bits(released: Integers, secret: NDArray[np.int64], bits: int = 8) -> float:
    """How often an attacker is right who learned from half of the releases which low bits go with which value."""
    cells = np.asarray(released) % 2**bits
    half = len(cells) // 2
    seen = [np.bincount(cells[:half][secret[:half] == value], minlength=2**bits) for value in (0, 1)]
    return float(np.mean((seen[1] > seen[0])[cells[half:]] == secret[half:]))


def secrets(n: int, rng: np.random.Generator) -> NDArray[np.int64]:
    return rng.integers(0, 2, n)


def test_jax_float32_noise_gives_the_value_away() -> None:
    rng, support = np.random.default_rng(0), float32_support()
    secret = secrets(20_000, rng)
    noise = np.asarray(jax.random.normal(jax.random.key(1), (len(secret),), jnp.float32))
    assert np.isin(noise, support).mean() > 0.99
    released = np.array(VALUES, np.float32)[secret] + noise
    reachable = [reachable_float32(released, value, support) for value in VALUES]
    assert np.where(secret == 0, *reachable).mean() > 0.99
    assert success(reachable, secret) > 0.9


def test_numpy_float64_noise_gives_the_value_away() -> None:
    rng = np.random.default_rng(2)
    secret = secrets(5_000, rng)
    noise = np.random.RandomState(3).normal(size=(len(secret), 2))
    released = np.array(VALUES)[secret][:, None] + noise
    reachable = [reachable_polar(released, value) for value in VALUES]
    assert np.where(secret == 0, *reachable).mean() > 0.8
    assert success(reachable, secret) > 0.9


def test_noise_on_a_grid_gives_nothing_away() -> None:
    rng = np.random.default_rng(4)
    secret = secrets(200_000, rng)
    grid = np.rint(np.array(VALUES) * GRID).astype(np.int64)
    released = grid[secret] + Secure().gaussian(secret.shape, GRID)
    # As it is released: in float64, exact.
    given = released / GRID
    reachable = [given * GRID - v == np.rint(given * GRID - v) for v in grid]
    assert abs(success(reachable, secret) - 0.5) < 0.02
    assert abs(told_by_low_bits(released, secret) - 0.5) < 0.02


def test_noise_on_a_coarser_grid_than_the_values_is_found() -> None:
    """What `told_by_low_bits` is for: a scaled float would do it."""
    rng = np.random.default_rng(5)
    secret = secrets(20_000, rng)
    grid = np.rint(np.array(VALUES) * GRID).astype(np.int64)
    released = grid[secret] + 4 * Secure().gaussian(secret.shape, GRID / 4).astype(np.int64)
    assert told_by_low_bits(released, secret) > 0.99
