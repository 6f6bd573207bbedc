"""Where private randomness comes from: noise, Poisson batches and choices, all from ChaCha20 in compiled code.

Only sources of randomness live here. What noise is added to, and how much of it, is decided elsewhere.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from fractions import Fraction
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from jaxsynth._core import SecureStream
from jaxsynth.errors import PrivacyError

WORD = 32
PRECISION = 53  # bits of a float64 in [0, 1)


class Randomness(Protocol):
    """What a private mechanism draws; the certificate prints `name`, and is void unless `private`."""

    @property
    def name(self) -> str: ...
    @property
    def private(self) -> bool: ...
    def gaussian(self, shape: tuple[int, ...], sigma: float) -> NDArray[np.int32]:
        """Draw discrete Gaussian noise of parameter `sigma` in steps of a grid."""

    def laplace(self, epsilon: float) -> int:
        """Draw discrete Laplace noise that makes a count of sensitivity 1 `epsilon`-private."""

    def batches(self, steps: int, size: int, units: int, threshold: int) -> NDArray[np.int32]:
        """Draw Poisson batches, (steps, size)."""

    def uniforms(self, n: int) -> NDArray[np.float64]:
        """Draw (n,) uniform numbers in [0, 1)."""

    def key_words(self) -> NDArray[np.uint32]:
        """Draw the (2,) words of a key for `jax.random.wrap_key_data`."""


class _Stream:
    """The draws of `Randomness` from a stream that is made elsewhere."""

    def __init__(self, stream: SecureStream) -> None:
        self._stream = stream

    def gaussian(self, shape: tuple[int, ...], sigma: float) -> NDArray[np.int32]:
        """Draw independent discrete Gaussian noise (Canonne, Kamath and Steinke 2020, definition 1).

        Args:
            shape: of the result, any.
            sigma: the distribution's parameter, nearly its standard deviation; 1 <= sigma <= 2**27 grid steps.

        Returns:
            int32 array of `shape`, each draw within 2**-120 in total variation of the exact distribution.

        Raises:
            PrivacyError: sigma is out of bounds.
        """
        noise = np.empty(shape, np.int32)
        _as_privacy_error(lambda: self._stream.discrete_gaussian(noise, sigma))
        return noise

    def laplace(self, epsilon: float) -> int:
        """Draw x with probability proportional to exp(-epsilon |x|), exactly, `epsilon` being the float's value.

        Raises:
            PrivacyError: epsilon is not positive and finite.
        """
        if not (math.isfinite(epsilon) and epsilon > 0):
            raise PrivacyError(f"Laplace noise for epsilon {epsilon} does not exist; choose a positive epsilon")
        return _discrete_laplace(self._below, Fraction(epsilon))

    def batches(self, steps: int, size: int, units: int, threshold: int) -> NDArray[np.int32]:
        """Draw batches that take each of `units` units independently with probability `threshold` / 2**32.

        Args:
            steps: how many batches.
            size: places in a batch. Of a batch with more units than that, the first are kept.
            units: how many units there are, less than 2**31.
            threshold: 0 to 2**32; the latter takes every unit.

        Returns:
            (steps, size) int32 unit numbers, ascending in each batch, then `units` in the places left.

        Raises:
            PrivacyError: an argument is out of bounds.
        """
        out = np.empty((steps, size), np.int32)
        _as_privacy_error(lambda: self._stream.poisson_batches(out, units, threshold))
        return out

    def uniforms(self, n: int) -> NDArray[np.float64]:
        """Draw (n,) float64 in [0, 1), uniform over the multiples of 2**-53."""
        words = self._stream.words(2 * n).astype(np.uint64).reshape(n, 2)
        bits = (words[:, 0] << np.uint64(WORD) | words[:, 1]) >> np.uint64(2 * WORD - PRECISION)
        return bits.astype(np.float64) * 2.0**-PRECISION

    def key_words(self) -> NDArray[np.uint32]:
        """Draw (2,) uint32. What follows from such a key has 64 bits of secret at most: never use it for noise."""
        return self._stream.words(2)

    def _below(self, bound: int) -> int:
        """Draw a uniform integer from 0 to `bound` - 1, of any size, by rejection."""
        bits = (bound - 1).bit_length()
        while True:
            words = self._stream.words(-(-bits // WORD))
            drawn = int.from_bytes(words.tobytes(), "little") & ((1 << bits) - 1)
            if drawn < bound:
                return drawn


class Secure(_Stream):
    """Randomness for real use: a key from the operating system, which nobody can read or replay."""

    name = "ChaCha20, operating system entropy"
    private = True

    def __init__(self) -> None:
        super().__init__(SecureStream())


class Deterministic(_Stream):
    """The same draws for the same seed. Whoever knows the seed can take the noise away: for tests only."""

    name = "NOT PRIVATE: deterministic noise for tests"
    private = False

    def __init__(self, seed: int) -> None:
        super().__init__(SecureStream.for_tests(hashlib.sha256(str(seed).encode()).digest()))


def _as_privacy_error(draw: Callable[[], None]) -> None:
    try:
        draw()
    except ValueError as error:
        raise PrivacyError(str(error)) from None


def _discrete_laplace(below: Callable[[int], int], epsilon: Fraction) -> int:
    """Canonne, Kamath and Steinke (2020), algorithm 2, for epsilon = s / t."""
    s, t = epsilon.as_integer_ratio()
    while True:
        offset = below(t)
        if not _bernoulli_exp(below, Fraction(offset, t)):
            continue
        whole = 0
        while _bernoulli_exp(below, Fraction(1)):
            whole += 1
        magnitude = (offset + t * whole) // s
        minus = below(2) == 1
        if minus and magnitude == 0:
            continue
        return -magnitude if minus else magnitude


def _bernoulli_exp(below: Callable[[int], int], gamma: Fraction) -> bool:
    """Return True with probability exp(-gamma), 0 <= gamma <= 1: algorithm 1 of the same paper."""
    k = 1
    while below(gamma.denominator * k) < gamma.numerator:
        k += 1
    return k % 2 == 1
