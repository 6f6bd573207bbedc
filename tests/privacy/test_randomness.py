from __future__ import annotations

import copy
import itertools
import math
import pickle
import random
import struct
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from jaxsynth import _core
from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.randomness import Deterministic, Randomness, Secure, _bernoulli_exp, _discrete_laplace

# Keys are known, so that nothing here fails by chance: a p value below this means a defect.
LEAST_P = 1e-3


def chi_square(drawn: NDArray[Any], log_weight: Callable[[NDArray[np.int64]], NDArray[np.float64]]) -> float:
    """P value of integer draws under a distribution known up to a factor; cells of less than 10 are joined."""
    support = np.arange(-60_000, 60_001)
    weight = np.exp(log_weight(support))
    expected = weight / math.fsum(weight) * drawn.size
    observed = np.bincount(drawn.astype(np.int64) - support[0], minlength=support.size)
    often = expected >= 10
    joined = [np.append(x[often], x[~often].sum()) for x in (observed.astype(np.float64), expected)]
    return float(stats.chisquare(joined[0], joined[1]).pvalue)


@pytest.mark.parametrize("sigma", [1.0, 1.5, 3.7, 63.9, 64.0, 100.0, 1000.3])
def test_gaussian_has_its_probabilities(sigma: float) -> None:
    drawn = Deterministic(1).gaussian((10_000_000,), sigma)
    assert chi_square(drawn, lambda x: -(x**2) / (2 * sigma**2)) > LEAST_P


def test_chi_square_sees_a_sigma_that_is_off_by_a_quarter_percent() -> None:
    drawn = Deterministic(1).gaussian((10_000_000,), 3.7)
    assert chi_square(drawn, lambda x: -(x**2) / (2 * 3.71**2)) < LEAST_P


@pytest.mark.parametrize("sigma", [2.0**22, 5.3e6, 2.0**27])
def test_gaussian_is_normal_on_a_fine_grid(sigma: float) -> None:
    drawn = Deterministic(2).gaussian((2_000_000,), sigma)
    scaled = drawn / sigma
    assert stats.kstest(scaled, "norm").pvalue > LEAST_P
    for power in (1, 2, 3, 4, 6):
        mean, variance = stats.norm.moment(power), stats.norm.moment(2 * power)
        error = math.sqrt((variance - mean**2) / drawn.size)
        assert abs(np.mean(scaled**power) - mean) < 3.5 * error
    for beyond in (3.0, 4.0, 4.5):
        count = int(np.sum(np.abs(scaled) > beyond))
        assert stats.binomtest(count, drawn.size, 2 * stats.norm.sf(beyond)).pvalue > LEAST_P


@pytest.mark.parametrize("sigma", [2.0**22, 5.3e6])
def test_low_bits_of_the_gaussian_are_uniform(sigma: float) -> None:
    drawn = Deterministic(3).gaussian((4_000_000,), sigma)
    for low in (drawn & 1, drawn & 255, (drawn >> 8) & 255, drawn % 243):
        assert stats.chisquare(np.bincount(low)).pvalue > LEAST_P
    assert stats.binomtest(int(np.sum(drawn > 0)), drawn.size).pvalue > LEAST_P


def test_draws_are_independent_of_those_before() -> None:
    drawn = Deterministic(4).gaussian((1_000_000,), 2.0**22)
    signs, scaled = np.sign(drawn), drawn / 2.0**22
    for lag in (1, 2, 4096, 8191, 8192, 16384):
        for values in (signs, scaled, scaled**2 - 1):
            correlation = np.corrcoef(values[lag:], values[:-lag])[0, 1]
            assert abs(correlation) < 3.5 / math.sqrt(drawn.size)


@given(
    shape=st.lists(st.integers(0, 5), max_size=4).map(tuple),
    sigma=st.floats(1, 2.0**27),
    seed=st.integers(0, 2**70),
)
def test_gaussian_fills_any_shape(shape: tuple[int, ...], sigma: float, seed: int) -> None:
    drawn = Deterministic(seed).gaussian(shape, sigma)
    assert drawn.shape == shape
    assert drawn.dtype == np.int32
    assert np.all(np.abs(drawn.astype(float)) <= 13 * sigma + sigma / 16)


@pytest.mark.parametrize("sigma", [0.0, 0.999, 2.0**27 + 1, math.inf, math.nan, -3.0])
def test_gaussian_refuses_other_sigmas(sigma: float) -> None:
    with pytest.raises(PrivacyError, match="sigma is"):
        Secure().gaussian((3,), sigma)


@pytest.mark.parametrize("epsilon", [0.01, 0.1, 0.7, 2.5])
def test_laplace_has_its_probabilities(epsilon: float) -> None:
    source = random.Random(5)
    drawn = np.array([_discrete_laplace(source.randrange, Fraction(epsilon)) for _ in range(40_000)])
    assert chi_square(drawn, lambda x: -epsilon * np.abs(x).astype(float)) > LEAST_P
    # scipy's distribution with the same parameter, which sums the weights in closed form
    assert stats.binomtest(int(np.sum(drawn == 0)), drawn.size, stats.dlaplace.pmf(0, epsilon)).pvalue > LEAST_P


def test_laplace_draws_from_the_stream() -> None:
    source = Deterministic(6)
    drawn = np.array([source.laplace(0.5) for _ in range(1500)])
    assert chi_square(drawn, lambda x: -0.5 * np.abs(x).astype(float)) > LEAST_P


@pytest.mark.parametrize("gamma", [Fraction(0), Fraction(1, 7), Fraction(1)])
def test_bernoulli_exp(gamma: Fraction) -> None:
    source = random.Random(7)
    kept = sum(_bernoulli_exp(source.randrange, gamma) for _ in range(40_000))
    assert stats.binomtest(kept, 40_000, math.exp(-gamma)).pvalue > LEAST_P


def test_integers_below_a_bound_are_uniform() -> None:
    source = Deterministic(8)
    assert stats.chisquare(np.bincount([source._below(5) for _ in range(2000)])).pvalue > LEAST_P
    assert source._below(1) == 0
    large = [source._below(3 * 2**70) for _ in range(400)]
    assert stats.kstest([x / (3 * 2**70) for x in large], "uniform").pvalue > LEAST_P


@pytest.mark.parametrize("epsilon", [0.0, -1.0, math.inf, math.nan])
def test_laplace_refuses_other_epsilons(epsilon: float) -> None:
    with pytest.raises(PrivacyError, match="epsilon"):
        Secure().laplace(epsilon)


def included(batches: NDArray[np.int32], units: int) -> NDArray[np.bool_]:
    mask = np.zeros((len(batches), units + 1), bool)
    mask[np.arange(len(batches))[:, None], batches] = True
    return mask[:, :units]


# Chances that the first 8 bits cannot tell from 0, 1/256 or 1/2.
@pytest.mark.parametrize("threshold", [2**22, 3 * 2**23, 2**31 + 2**22, 2**32 - 2**20])
def test_batches_include_each_unit_as_often_as_told(threshold: int) -> None:
    units, steps = 203, 20_000
    mask = included(Deterministic(9).batches(steps, units, units, threshold), units)
    chance = threshold / 2**32
    error = math.sqrt(chance * (1 - chance) * steps)
    of_units = (mask.sum(0) - chance * steps) / error
    assert stats.chi2.sf(np.sum(of_units**2), units) > LEAST_P
    assert abs(np.sum(of_units)) / math.sqrt(units) < 3.5
    for place in range(8):  # of a word's bytes
        assert abs(np.sum(of_units[place::8])) / math.sqrt(len(of_units[place::8])) < 3.5


def test_sizes_of_batches_are_binomial() -> None:
    units, steps, chance = 50, 50_000, 0.125
    sizes = included(Deterministic(10).batches(steps, units, units, 2**29), units).sum(1)
    expected = stats.binom.pmf(np.arange(16), units, chance) * steps
    observed = np.bincount(np.minimum(sizes, 16), minlength=17)
    assert stats.chisquare(observed, np.append(expected, steps - expected.sum())).pvalue > LEAST_P


def test_units_and_steps_are_independent() -> None:
    units, steps, chance = 24, 40_000, 0.25
    mask = included(Deterministic(11).batches(steps, units, units, 2**30), units)
    scaled = (mask - chance) / math.sqrt(chance * (1 - chance))
    between_units = scaled.T @ scaled / math.sqrt(steps)
    pairs = between_units[np.triu_indices(units, 1)]
    between_steps = (scaled[1:] * scaled[:-1]).sum(0) / math.sqrt(steps - 1)
    for z in (pairs, between_steps):
        assert stats.chi2.sf(np.sum(z**2), z.size) > LEAST_P


@settings(max_examples=200)
@given(
    steps=st.integers(0, 5),
    size=st.integers(0, 40),
    units=st.integers(0, 100),
    threshold=st.integers(0, 2**32),
    seed=st.integers(0, 1000),
)
def test_batches_are_ascending_and_padded(steps: int, size: int, units: int, threshold: int, seed: int) -> None:
    batches = Deterministic(seed).batches(steps, size, units, threshold)
    whole = Deterministic(seed).batches(steps, units, units, threshold)
    assert batches.shape == (steps, size)
    for batch, uncut in zip(batches, whole, strict=True):
        rows = uncut[uncut < units]
        assert np.all(np.diff(rows) > 0)
        np.testing.assert_array_equal(batch, np.append(rows, [units] * size)[:size])


def test_batches_may_take_no_unit_or_every_unit() -> None:
    np.testing.assert_array_equal(Secure().batches(2, 3, 5, 0), np.full((2, 3), 5))
    np.testing.assert_array_equal(Secure().batches(1, 7, 5, 2**32), [[0, 1, 2, 3, 4, 5, 5]])


@pytest.mark.parametrize(("units", "threshold"), [(-1, 5), (2**31, 5), (5, -1), (5, 2**32 + 1)])
def test_batches_refuse_what_is_out_of_bounds(units: int, threshold: int) -> None:
    with pytest.raises(PrivacyError, match="it lies between"):
        Secure().batches(2, 3, units, threshold)


def test_uniforms_have_53_bits() -> None:
    drawn = Deterministic(12).uniforms(200_001)
    assert drawn.shape == (200_001,)
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert stats.kstest(drawn, "uniform").pvalue > LEAST_P
    scaled = drawn * 2.0**53
    np.testing.assert_array_equal(scaled, np.floor(scaled))
    assert stats.chisquare(np.bincount(scaled.astype(np.int64) & 63)).pvalue > LEAST_P


def chacha_block(key: tuple[int, ...], counter: int, stream: int) -> tuple[int, ...]:
    """RFC 8439, section 2.3, with counter and stream of 64 bits, written as plainly as possible."""
    start = [*struct.unpack("<4I", b"expand 32-byte k"), *key]
    start += struct.unpack("<4I", struct.pack("<QQ", counter, stream))
    x = list(start)
    columns = [(i, i + 4, i + 8, i + 12) for i in range(4)]
    diagonals = [(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4) for i in range(4)]
    for a, b, c, d in (columns + diagonals) * 10:
        for into, by, turned, n in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            x[into] = (x[into] + x[by]) % 2**32
            mixed = x[turned] ^ x[into]
            x[turned] = (mixed << n | mixed >> (32 - n)) % 2**32
    return tuple((a + b) % 2**32 for a, b in zip(x, start, strict=True))


def test_words_are_chacha20() -> None:
    secret = bytes(range(32))
    stream = _core.SecureStream.for_tests(secret)
    key = struct.unpack("<8I", secret)
    for _ in range(2):  # the key is replaced by half of a block, and the other half is the array's
        halves = chacha_block(key, 0, 0)
        key, of_array = halves[:8], halves[8:]
        words = stream.words(8192 + 256)
        for piece, group in ((0, 0), (0, 1), (0, 63), (1, 0), (1, 1)):
            blocks = [chacha_block(of_array, 8 * group + lane, piece) for lane in range(8)]
            first = 8192 * piece + 128 * group
            np.testing.assert_array_equal(words[first : first + 128], np.array(blocks).T.ravel())


def draws(source: Randomness) -> list[NDArray[Any]]:
    return [
        source.gaussian((5, 7), 1e6),
        source.batches(3, 20, 100, 2**30),
        source.uniforms(9),
        source.key_words(),
        np.array([source.laplace(0.001)]),
    ]


def test_deterministic_repeats_itself() -> None:
    for one, other in zip(draws(Deterministic(13)), draws(Deterministic(13)), strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(draws(Deterministic(13)), draws(Deterministic(14)), strict=True):
        assert not np.array_equal(one, other)


def test_no_two_draws_are_alike() -> None:
    secure, deterministic = Secure(), Deterministic(15)
    key_words = [tuple(x.key_words()) for x in (secure, secure, Secure(), deterministic, deterministic)]
    noise = [x.gaussian((100,), 2.0**22) for x in (secure, secure, Secure(), deterministic, deterministic)]
    assert len(set(key_words)) == 5
    for one, other in itertools.combinations(noise, 2):
        assert not np.array_equal(one, other)


@pytest.mark.parametrize("n", [1, 8192, 100_003])
def test_threads_change_nothing(n: int) -> None:
    def drawn(threads: int) -> list[NDArray[Any]]:
        stream = _core.SecureStream.for_tests(b"k" * 32)
        noise, batches = np.empty(n, np.int32), np.empty((n // 1000 + 1, 40), np.int32)
        stream.discrete_gaussian(noise, 1e6, threads=threads)
        stream.poisson_batches(batches, 300, 2**29, threads=threads)
        return [noise, batches, stream.words(n, threads=threads)]

    for one, other, third in zip(drawn(1), drawn(2), drawn(0), strict=True):
        np.testing.assert_array_equal(one, other)
        np.testing.assert_array_equal(one, third)


def test_streams_show_and_give_nothing_away() -> None:
    for stream in (_core.SecureStream(), _core.SecureStream.for_tests(b"s" * 32)):
        assert repr(stream) == "<SecureStream>"
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            with pytest.raises(TypeError, match="pickled"):
                pickle.dumps(stream, protocol)
        with pytest.raises(TypeError, match="copied"):
            copy.copy(stream)
    with pytest.raises(TypeError, match="pickled"):
        pickle.dumps(Secure())
    with pytest.raises(TypeError, match="pickled"):
        copy.deepcopy(Secure())


FORK = """
import importlib.util, os, sys
spec = importlib.util.spec_from_file_location("_core", sys.argv[1])
core = importlib.util.module_from_spec(spec)
spec.loader.exec_module(core)
streams = [core.SecureStream(), core.SecureStream.for_tests(b"f" * 32)]
for stream in streams:
    stream.words(2)
for child in range(2):
    if os.fork() == 0:
        print(*(stream.words(2).tobytes().hex() for stream in streams), flush=True)
        os._exit(0)
    os.wait()
print(*(stream.words(2).tobytes().hex() for stream in streams))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
def test_forked_processes_draw_keys_of_their_own() -> None:
    command = [sys.executable, "-c", FORK, str(_core.__file__)]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    secure, known = lines[::2], lines[1::2]
    assert len(set(secure)) == 3
    assert len(set(known)) == 1


def test_arrays_must_be_what_they_are_said_to_be() -> None:
    stream = _core.SecureStream()
    wrongs: list[Any] = [np.empty(4), np.empty(4, np.uint32), np.empty((4, 4), np.int32)[:, :2]]
    for wrong in wrongs:
        with pytest.raises(TypeError, match="incompatible"):
            stream.discrete_gaussian(wrong, 5.0)
    fixed = np.zeros(4, np.int32)
    fixed.flags.writeable = False
    with pytest.raises(ValueError, match="writeable"):
        stream.discrete_gaussian(fixed, 5.0)
    with pytest.raises(ValueError, match="pass \\(steps, size\\)"):
        stream.poisson_batches(np.zeros(4, np.int32), 5, 5)
    with pytest.raises(ValueError, match="31 bytes"):
        _core.SecureStream.for_tests(b"x" * 31)
    assert not fixed.any()


def test_names_say_what_is_private() -> None:
    assert Secure().private
    assert "operating system" in Secure().name
    assert not Deterministic(0).private
    assert Deterministic(0).name.startswith("NOT PRIVATE")
