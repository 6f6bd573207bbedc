from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from jaxsynth.sample.files import write_stream
from jaxsynth.sample.job import in_threads, run_job
from jaxsynth.sample.places import LocalPlace
from jaxsynth.sample.progress import Written, sampling_progress
from tests.sample import jobs


def _job(root: Path, part: tuple[int, int] = (0, 1)) -> list[Written]:
    told: list[Written] = []
    what = jobs.plan(partition="race")
    run_job(LocalPlace(root), what, in_threads(jobs.open_rows, 3), part=part, tell=told.append)
    return told


def _size(root: Path) -> int:
    return sum(p.stat().st_size for p in root.rglob("*.parquet"))


def test_a_job_tells_rows_bytes_and_shards_as_they_grow(tmp_path: Path) -> None:
    told = _job(tmp_path, part=(0, 2))  # shards 0, 2, ..., 8
    assert told[-1] == Written(rows=20_000, of=20_000, kept=0, bytes=_size(tmp_path), shards=5, of_shards=5)
    assert all(b.rows >= a.rows and b.bytes >= a.bytes for a, b in pairwise(told))
    assert len(told) == 5 * (3 * 3 + 1)  # three batches a shard, each of three races
    first = _size(tmp_path)
    again = _job(tmp_path)[-1]
    own = _size(tmp_path) - first
    assert again == Written(rows=38_000, of=38_000, kept=20_000, bytes=own, shards=10, of_shards=10)


def test_one_file_tells_its_size(tmp_path: Path) -> None:
    told: list[Written] = []
    write_stream(jobs.open_rows(0, 4_000), tmp_path / "x.csv", rows=4_000, tell=told.append)
    assert [w.rows for w in told] == [1_500, 3_000, 4_000, 4_000]
    assert 0 < told[0].bytes < told[-1].bytes == (tmp_path / "x.csv").stat().st_size


def test_the_line_of_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    with sampling_progress(show=True) as tell:
        assert tell is not None
        tell(Written(rows=20_000, of=38_000, kept=0, bytes=1_250_000, shards=5, of_shards=10))
    assert capsys.readouterr().err.startswith("sampling: 20,000/38,000 rows  5/10 shards  1.2 MB  ")
