from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jaxsynth.errors import OutputError
from jaxsynth.out_of_core.cache import Cache, open_cache
from jaxsynth.out_of_core.ordered import in_order
from jaxsynth.out_of_core.sizes import Sizes
from jaxsynth.out_of_core.windows import Windows

FIELDS = [
    ("codes8", np.uint8, 0),
    ("codes16", np.uint16, 1),
    ("codes32", np.uint32, 0),
    ("positions", np.float32, 0),
]
TYPE = np.dtype([(name, dtype, (width,)) for name, dtype, width in FIELDS])


def fill(cache: Cache, rows: int) -> None:
    records = np.zeros(rows, TYPE)
    records["codes16"][:, 0] = np.arange(rows)
    for part in np.array_split(records, 7):
        cache.append(part)


def numbers(windows: Windows, window: int) -> list[int]:
    return windows.read(window).codes[1][:, 0].tolist()  # type: ignore[no-any-return]


def test_a_pass_has_every_row_once_but_for_the_rest(tmp_path: Path) -> None:
    with open_cache(TYPE, 5000, tmp_path) as cache:
        fill(cache, 5000)
        windows = Windows(cache, 0, Sizes(block=16, window=1024))
        assert windows.a_pass == 5
        assert windows.rows == 992
        passes = [[r for w in range(5) for r in numbers(windows, 5 * p + w)] for p in (0, 1)]
        for seen in passes:
            assert len(set(seen)) == len(seen) == 5 * 992
        assert passes[0] != passes[1]
        assert set(passes[0]) != set(passes[1])  # the rest is another
        for window in range(5):
            assert np.mean(numbers(windows, window)) == pytest.approx(2500, rel=0.15)  # from everywhere


def test_few_rows_are_one_window(tmp_path: Path) -> None:
    with open_cache(TYPE, 10, tmp_path) as cache:
        fill(cache, 10)
        windows = Windows(cache, 0, Sizes())
        assert (windows.a_pass, windows.rows) == (1, 10)
        assert sorted(numbers(windows, 3)) == list(range(10))
        assert windows.evenly(4).codes[1][:, 0].tolist() == [0, 3, 6, 9]


def test_a_cache_that_was_cut_is_told(tmp_path: Path) -> None:
    with open_cache(TYPE, 100, tmp_path) as cache:
        fill(cache, 100)
        windows = Windows(cache, 0, Sizes(block=10))
        assert windows.rows == 100
        cache.file.truncate(50)
        with pytest.raises(OutputError, match="cut short"):
            windows.read(0)


def test_a_write_that_fails_says_what_to_do(tmp_path: Path) -> None:
    with open_cache(TYPE, 100, tmp_path) as cache:
        read_only = Cache(open(cache.file.name, "rb", buffering=0), TYPE)  # noqa: SIM115
        with read_only.file, pytest.raises(OutputError, match="cannot keep the rows' codes"):
            fill(read_only, 10)


def test_wide_rows_have_smaller_windows() -> None:
    assert Sizes().windowed(16) == 1 << 20
    assert Sizes().windowed(1 << 13) == 1 << 14
    assert Sizes().sampled(10**8, 15) == 10**6
    assert Sizes().sampled(10**8, 1 << 10) == 1 << 15


def test_threads_keep_the_order_and_pass_errors_on() -> None:
    assert list(in_order(lambda i: i * i, range(50))) == [i * i for i in range(50)]
    with pytest.raises(ZeroDivisionError):
        list(in_order(lambda i: 1 // (3 - i), range(50)))
