from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pyarrow.parquet as pq
import pytest

from jaxsynth.errors import OutputError, OutputWarning
from jaxsynth.sample.job import in_threads, run_job
from jaxsynth.sample.lock import locked
from jaxsynth.sample.places import LocalPlace
from jaxsynth.sample.receipts import MANIFEST, File
from jaxsynth.sample.shard import build
from jaxsynth.sample.shard_plan import PLAN as PLAN_FILE
from jaxsynth.sample.shard_plan import to_bytes
from tests.sample import jobs

SHARDS = 10


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What an undisturbed run leaves."""
    root = tmp_path_factory.mktemp("reference")
    jobs.run(root, workers=1)
    return jobs.contents(root)


def test_a_directory_holds_the_stream_in_order(tmp_path: Path) -> None:
    manifest = jobs.run(tmp_path / "deep" / "out")
    assert manifest.rows == 38_000
    assert manifest.complete
    assert manifest.built == SHARDS
    expected = jobs.table(500, 38_000)
    found = pa_dataset.dataset(tmp_path / "deep" / "out").to_table()
    assert found["row"].equals(expected["row"])
    assert found["race"].cast(pa.string()).equals(expected["race"].cast(pa.string()))
    assert pl.read_parquet(tmp_path / "deep/out/*.parquet")["row"].to_list() == expected["row"].to_pylist()
    counted = duckdb.sql(f"select count(*), min(row), max(row) from '{tmp_path}/deep/out/*.parquet'")
    assert counted is not None
    assert counted.fetchall() == [(38_000, 500, 38_499)]


def test_the_manifest_and_receipts_tell_the_files(tmp_path: Path, reference: dict[str, str]) -> None:
    manifest = jobs.run(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / MANIFEST).read_text().splitlines()]
    assert tuple(File(**line) for line in lines) == manifest.files
    assert [f.shard for f in manifest.files] == list(range(SHARDS))
    assert [f.start for f in manifest.files] == [500 + 4_000 * i for i in range(SHARDS)]
    assert {f.path: f.sha256 for f in manifest.files} == {k: v for k, v in reference.items() if k[0] == "p"}
    for file in manifest.files:
        assert file.bytes == (tmp_path / file.path).stat().st_size
        assert file.rows == pq.ParquetFile(tmp_path / file.path).metadata.num_rows
    assert {k for k in reference if k[0] == "_"} == {
        PLAN_FILE, MANIFEST, *(f"_receipts/{i:05d}.json" for i in range(SHARDS)),
    }  # fmt: skip


@pytest.mark.parametrize("workers", [2, 7])
def test_workers_change_no_byte(tmp_path: Path, reference: dict[str, str], workers: int) -> None:
    jobs.run(tmp_path, workers=workers)
    assert jobs.contents(tmp_path) == reference


def test_parts_and_order_change_no_byte(tmp_path: Path, reference: dict[str, str]) -> None:
    parts = [jobs.run(tmp_path, part=(r, 3)) for r in (2, 0, 1)]
    assert [p.complete for p in parts] == [False, False, True]
    assert [f.shard for f in parts[0].files] == [2, 5, 8]
    assert parts[2].rows == 38_000
    assert parts[2].built == 3
    assert jobs.contents(tmp_path) == reference


def test_a_worker_elsewhere_may_build_any_shard(tmp_path: Path, reference: dict[str, str]) -> None:
    jobs.run(tmp_path, part=(0, 5))
    for shard in reversed(range(SHARDS)):
        build(LocalPlace(tmp_path), jobs.PLAN, shard, jobs.open_rows)
    assert jobs.run(tmp_path).built == 0
    assert jobs.contents(tmp_path) == reference


def test_a_finished_job_is_left_alone(tmp_path: Path) -> None:
    first = jobs.run(tmp_path)
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()}
    again = jobs.run(tmp_path)
    assert again == first
    assert again.built == 0
    assert {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file()} == before


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("part-00003.parquet:flip", "part-00003.parquet is damaged; shard 3"),
        ("part-00003.parquet:cut", "part-00003.parquet is damaged; shard 3"),
        ("part-00003.parquet:gone", "part-00003.parquet is missing; shard 3"),
        ("_receipts/00004.json:flip", "its receipt is damaged; shard 4"),
        ("_receipts/00004.json:cut", "its receipt is damaged; shard 4"),
    ],
)
def test_what_is_damaged_is_named_and_built_anew(
    tmp_path: Path, reference: dict[str, str], damage: str, told: str
) -> None:
    jobs.run(tmp_path)
    name, how = damage.split(":")
    path = tmp_path / name
    data = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:40] if how == "cut" else data[:40] + bytes([data[40] ^ 1]) + data[41:])
    with pytest.warns(OutputWarning, match=told):
        assert jobs.run(tmp_path).built == 1
    assert jobs.contents(tmp_path) == reference


def test_what_is_missing_is_built_without_a_word(tmp_path: Path, reference: dict[str, str]) -> None:
    jobs.run(tmp_path)
    for name in ("_receipts/00007.json", "_receipts/00000.json", MANIFEST):
        (tmp_path / name).unlink()
    assert jobs.run(tmp_path).built == 2
    assert jobs.contents(tmp_path) == reference


def test_a_damaged_shard_takes_the_manifest_with_it_until_it_is_whole(tmp_path: Path) -> None:
    jobs.run(tmp_path)
    (tmp_path / "part-00001.parquet").write_bytes(b"")

    def fails(first: int, count: int) -> pa.RecordBatchReader:
        raise OSError("no device")

    with pytest.raises(OSError, match="no device"):
        run_job(LocalPlace(tmp_path), jobs.PLAN, in_threads(fails, 1), part=(0, 1))
    assert not (tmp_path / MANIFEST).exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 1, "seed": 3}', '{"version": "x"}', "\0\xff"])
def test_a_damaged_plan_is_told_and_the_remedy_works(tmp_path: Path, reference: dict[str, str], text: str) -> None:
    jobs.run(tmp_path, part=(0, 2))
    (tmp_path / PLAN_FILE).write_bytes(text.encode("latin1"))
    with pytest.raises(OutputError, match="is damaged; delete that file and run the same command again"):
        jobs.run(tmp_path)
    (tmp_path / PLAN_FILE).unlink()
    assert jobs.run(tmp_path).built == 5
    assert jobs.contents(tmp_path) == reference


def test_a_lost_plan_does_not_let_another_job_in(tmp_path: Path) -> None:
    jobs.run(tmp_path)
    (tmp_path / PLAN_FILE).unlink()
    before = jobs.contents(tmp_path)
    with pytest.raises(OutputError, match=r"holds shards of another job and no _plan\.json"):
        jobs.run(tmp_path, jobs.plan(seed=2))
    assert jobs.contents(tmp_path) == before


def test_a_plan_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    jobs.run(tmp_path)
    newer = to_bytes(jobs.plan(version=2)).replace(b'"seed"', b'"seeds"')
    (tmp_path / PLAN_FILE).write_bytes(newer)
    with pytest.raises(OutputError, match=r"_plan\.json is of a newer release; upgrade jaxsynth"):
        jobs.run(tmp_path)
    assert (tmp_path / PLAN_FILE).read_bytes() == newer


def test_another_plan_is_refused_field_by_field(tmp_path: Path) -> None:
    jobs.run(tmp_path)
    before = jobs.contents(tmp_path)
    other = jobs.plan(seed=2, model="f" * 64, shard_rows=5, where={"age": [65]}, versions={"pyarrow": "9"})
    with pytest.raises(OutputError) as told:
        jobs.run(tmp_path, other)
    for words in (
        "seed is 1 there and 2 here",
        "shard_rows is 4000 there and 5 here",
        "where.age is absent there and [65] here",
        f'versions.pyarrow is "{pa.__version__}" there and "9" here',
        'model is "000',
    ):
        assert words in str(told.value)
    assert "rows is 38000" not in str(told.value)
    assert jobs.contents(tmp_path) == before


def test_a_directory_with_other_files_is_refused(tmp_path: Path) -> None:
    for name in ("notes.txt", "part-00000.parquet"):
        root = tmp_path / name.replace(".", "-")
        root.mkdir()
        (root / name).write_bytes(b"mine")
        with pytest.raises(OutputError, match=rf"holds '{name}', which is of no job; choose an empty directory"):
            jobs.run(root)
        assert jobs.contents(root).keys() == {name}
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="cannot write"):
        jobs.run(tmp_path / "file")


def test_a_directory_that_cannot_be_made_is_named() -> None:
    with pytest.raises(OutputError, match=r"cannot write '/proc/self/out': .*; choose a writable directory"):
        jobs.run(Path("/proc/self/out"))


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="Permission denied; choose a writable directory"):
        jobs.run(tmp_path / "out")
    tmp_path.chmod(0o700)


def test_a_full_disk_is_told_and_a_run_with_space_goes_on(
    tmp_path: Path, reference: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []
    real = pq.ParquetWriter.write_table

    def write_table(self: pq.ParquetWriter, *arguments: object, **named: object) -> None:
        opened.append(self)
        if len(opened) > 4:
            raise OSError(28, "No space left on device")
        real(self, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(pq.ParquetWriter, "write_table", write_table)
        with pytest.raises(OutputError, match="No space left on device; nothing was left behind"):
            jobs.run(tmp_path)
    left = jobs.contents(tmp_path)
    assert MANIFEST not in left
    assert {k: v for k, v in reference.items() if k in left} == left
    again = jobs.run(tmp_path)
    assert 0 < again.built < SHARDS
    assert jobs.contents(tmp_path) == reference


def test_an_interrupted_run_ends_soon_and_goes_on_later(tmp_path: Path, reference: dict[str, str]) -> None:
    drawn = threading.Semaphore(4)

    def rows(first: int, count: int) -> pa.RecordBatchReader:
        if not drawn.acquire(blocking=False):
            raise KeyboardInterrupt
        return jobs.open_rows(first, count)

    with pytest.raises(KeyboardInterrupt):
        run_job(LocalPlace(tmp_path), jobs.PLAN, in_threads(rows, 2), part=(0, 1))
    left = jobs.contents(tmp_path)
    assert {k: v for k, v in reference.items() if k in left} == left
    assert "_lock" not in left
    jobs.run(tmp_path)
    assert jobs.contents(tmp_path) == reference


def test_what_killed_processes_left_is_removed_but_not_what_others_write(tmp_path: Path) -> None:
    jobs.run(tmp_path, part=(0, 2))
    ours, others, plans = ".part-00003.parquet.x.tmp", ".part-00004.parquet.x.tmp", "._plan.json.x.tmp"
    for name in (ours, others, plans):
        (tmp_path / name).write_bytes(b"")
    jobs.run(tmp_path, part=(1, 2))
    assert {n for n in (ours, others, plans) if (tmp_path / n).exists()} == {others, plans}
    jobs.run(tmp_path)
    assert list(tmp_path.glob(".*")) == []


def test_a_second_writer_is_refused_by_name(tmp_path: Path) -> None:
    with locked(LocalPlace(tmp_path), (0, 1)):
        with pytest.raises(
            OutputError, match=rf"_lock is held by process {os.getpid()} on .* since 20.*wait until"
        ):
            jobs.run(tmp_path)
        with pytest.raises(OutputError, match="_lock is held"):
            jobs.run(tmp_path, part=(1, 2))
        assert jobs.contents(tmp_path).keys() == {"_lock"}
    with locked(LocalPlace(tmp_path), (1, 4)):
        with pytest.raises(OutputError, match="_lock-1-of-4 is held"):
            jobs.run(tmp_path)
        with pytest.raises(OutputError, match="_lock-1-of-4 is held"):
            jobs.run(tmp_path, part=(1, 6))
        jobs.run(tmp_path, part=(0, 4))
        jobs.run(tmp_path, part=(0, 6))
    assert jobs.run(tmp_path).complete


def test_a_job_without_rows_still_tells_its_columns(tmp_path: Path) -> None:
    for format_, suffix in (("parquet", "parquet"), ("ipc", "arrow"), ("csv", "csv")):
        manifest = jobs.run(tmp_path / format_, jobs.plan(rows=0, format=format_))
        assert [(f.path, f.rows) for f in manifest.files] == [(f"part-00000.{suffix}", 0)]
        found = pa_dataset.dataset(tmp_path / format_, format=format_).to_table()
        assert found.column_names == jobs.SCHEMA.names
        assert found.num_rows == 0


@pytest.mark.parametrize(("format_", "suffix"), [("parquet", "parquet"), ("ipc", "arrow"), ("csv", "csv")])
def test_hive_directories_are_read_by_all(tmp_path: Path, format_: str, suffix: str) -> None:
    what = jobs.plan(partition="race", format=format_)
    manifest = jobs.run(tmp_path / "a", what)
    jobs.run(tmp_path / "b", what, workers=1)
    assert jobs.contents(tmp_path / "a") == jobs.contents(tmp_path / "b")
    values = ["__HIVE_DEFAULT_PARTITION__", "a%2Fb%20c", "white"]
    assert [f.path for f in manifest.files][:3] == [f"race={v}/part-00000.{suffix}" for v in values]
    expected = jobs.table(500, 38_000)
    hive = pa_dataset.dataset(tmp_path / "a", format=format_, partitioning="hive").to_table()
    assert sorted(hive["row"].to_pylist()) == expected["row"].to_pylist()
    for value in ("white", "a/b c", None):
        wanted = [
            r for r, v in zip(expected["row"].to_pylist(), expected["race"].to_pylist(), strict=True) if v == value
        ]
        rows = zip(hive["row"].to_pylist(), hive["race"].to_pylist(), strict=True)
        assert [r for r, v in rows if v == value] == wanted
    if format_ == "parquet":
        found = duckdb.sql(f"select count(*) from read_parquet('{tmp_path}/a/**/*.parquet') where race = 'a/b c'")
        assert found is not None
        assert found.fetchall() == [(expected["race"].to_pylist().count("a/b c"),)]
        read = pl.read_parquet(tmp_path / "a" / "**" / "*.parquet", hive_partitioning=True)
        assert read["race"].null_count() == expected["race"].null_count


def test_a_lost_file_of_a_hive_shard_is_found(tmp_path: Path) -> None:
    what = jobs.plan(partition="race")
    jobs.run(tmp_path, what)
    before = jobs.contents(tmp_path)
    (tmp_path / "race=white" / "part-00002.parquet").unlink()
    with pytest.warns(OutputWarning, match="race=white/part-00002.parquet is missing; shard 2"):
        jobs.run(tmp_path, what)
    assert jobs.contents(tmp_path) == before


VICTIM = """
import os, pathlib, random, signal, sys, time
from tests.sample import jobs

root, kills = pathlib.Path(sys.argv[1]), int(sys.argv[2])
started = time.perf_counter()
jobs.run(root / "timed")
took = time.perf_counter() - started
for i in range(kills):
    child = os.fork()
    if child == 0:
        jobs.run(root / str(i))
        os._exit(0)
    time.sleep(random.Random(i).uniform(0, took))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
"""


def test_a_killed_job_goes_on_to_the_same_files(tmp_path: Path, reference: dict[str, str]) -> None:
    kills = 8
    subprocess.run([sys.executable, "-c", VICTIM, str(tmp_path), str(kills)], check=True, cwd=Path.cwd())
    halfway = 0
    for i in range(kills):
        root = tmp_path / str(i)
        left = jobs.contents(root)
        halfway += any(k.startswith("_receipts/0") for k in left) and MANIFEST not in left
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # nothing that a killed process leaves counts as damage
            jobs.run(root)
        assert jobs.contents(root) == reference
    assert halfway > 0
