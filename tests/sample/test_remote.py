"""Jobs outside of local directories: a bucket of a server that speaks S3, and fsspec's memory."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pyarrow.dataset as pa_dataset
import pyarrow.fs as pafs
import pytest
from moto.server import ThreadedMotoServer

import jaxsynth as js
from jaxsynth.errors import OutputError, OutputWarning
from jaxsynth.sample.addresses import open_file, open_place
from jaxsynth.sample.lock import locked
from jaxsynth.sample.places import LocalPlace, Place, write
from jaxsynth.sample.receipts import MANIFEST
from jaxsynth.sample.remote import RemotePlace
from tests.sample import jobs


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """The address of a fresh bucket; the environment tells where and how."""
    server = ThreadedMotoServer(port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    access = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in access.items():
            patch.setenv(name, value)
        maker, name = pafs.FileSystem.from_uri("s3://bucket?allow_bucket_creation=true")
        maker.create_dir(name)
        yield "s3://bucket"
    server.stop()


@pytest.fixture(params=["s3", "memory"])
def place(request: pytest.FixtureRequest) -> Place:
    """An empty place of each kind."""
    root = request.getfixturevalue("bucket") if request.param == "s3" else "memory://bucket"
    return open_place(f"{root}/{uuid.uuid4().hex}/out")


def contents(place: Place) -> dict[str, str]:
    """SHA-256 of every object, by its path."""
    assert isinstance(place, RemotePlace)
    found = place.filesystem.get_file_info(pafs.FileSelector(place.root, recursive=True, allow_not_found=True))
    files = [i.path.removeprefix(place.root).lstrip("/") for i in found if i.type == pafs.FileType.File]
    digests = {path: place.digest(path) for path in files}
    return {path: digest[1] for path, digest in digests.items() if digest}


def test_objects_are_the_files_of_a_local_job(place: Place, tmp_path: Path) -> None:
    manifest = jobs.run(place)
    jobs.run(tmp_path)
    assert contents(place) == jobs.contents(tmp_path)
    assert {f.path: f.sha256 for f in manifest.files}.items() <= contents(place).items()
    assert jobs.run(place).built == 0


def test_hive_directories_are_read_from_there(place: Place) -> None:
    jobs.run(place, jobs.plan(partition="race"))
    assert isinstance(place, RemotePlace)
    found = pa_dataset.dataset(place.root, filesystem=place.filesystem, partitioning="hive").to_table()
    assert sorted(found["row"].to_pylist()) == jobs.table(500, 38_000)["row"].to_pylist()


def test_what_is_damaged_or_missing_there_is_built_anew(place: Place) -> None:
    jobs.run(place)
    before = contents(place)
    write(place, "part-00001.parquet", b"")
    place.delete("part-00002.parquet")
    place.delete("_receipts/00003.json")
    write(place, "_receipts/00004.json", b"{")
    with pytest.warns(OutputWarning) as told:
        assert jobs.run(place).built == 4
    assert {str(w.message).split(": ")[1].split(";")[0] for w in told} == {
        "part-00001.parquet is damaged", "part-00002.parquet is missing", "its receipt is damaged",
    }  # fmt: skip
    assert contents(place) == before


def test_another_job_and_other_files_are_refused_there(place: Place) -> None:
    jobs.run(place)
    with pytest.raises(OutputError, match="holds another job: seed is 1 there and 2 here"):
        jobs.run(place, jobs.plan(seed=2))
    assert isinstance(place, RemotePlace)
    above = RemotePlace(place.filesystem, place.root.rsplit("/", 1)[0])
    with pytest.raises(OutputError, match="holds 'out', which is of no job"):
        jobs.run(above)


def test_a_second_writer_there_is_refused_unless_the_first_is_dead(place: Place) -> None:
    with locked(place, (0, 1)):
        for part in ((0, 1), (1, 2)):
            with pytest.raises(
                OutputError, match=rf"_lock is held by process {os.getpid()} on .* or delete _lock"
            ):
                jobs.run(place, part=part)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    owner = {"host": socket.gethostname(), "pid": gone.pid, "since": "then", "command": "gone"}
    write(place, "_lock", json.dumps(owner).encode())
    assert jobs.run(place).complete
    for elsewhere in (json.dumps({**owner, "host": "elsewhere"}).encode(), b"", b"[]"):
        write(place, "_lock", elsewhere)
        with pytest.raises(OutputError, match=r"_lock is held by (process .* on elsewhere|an unknown process)"):
            jobs.run(place)
        place.delete("_lock")
    assert "_lock" not in contents(place)


def test_parts_share_a_job_there(place: Place) -> None:
    assert [jobs.run(place, part=(r, 2)).complete for r in range(2)] == [False, True]
    assert MANIFEST in contents(place)


def test_a_bucket_that_is_not_there_is_one_error(bucket: str) -> None:
    with pytest.raises(OutputError, match=r"cannot write to 's3://nowhere/out'.*; check the address"):
        jobs.run(open_place(f"{bucket.replace('bucket', 'nowhere')}/out"))


def test_a_store_that_fails_midway_is_one_error_and_goes_on_later(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload, calls = RemotePlace._upload, iter(range(100))

    def fails(self: RemotePlace, file: Path, target: str) -> None:
        if next(calls) > 8:
            raise RuntimeError("the network is gone")
        upload(self, file, target)

    with monkeypatch.context() as patch:
        patch.setattr(RemotePlace, "_upload", fails)
        with pytest.raises(OutputError, match="the network is gone; check the address"):
            jobs.run(place)
    assert 0 < jobs.run(place).built < 10


@pytest.mark.parametrize(
    ("out", "told"),
    [
        ("nothing://there", "Protocol not known: nothing"),
        ("s3://", "no bucket is named"),
    ],
)
def test_an_address_that_leads_nowhere_is_one_error(out: str, told: str) -> None:
    with pytest.raises(OutputError, match=told):
        open_place(out)


def test_a_filesystem_may_be_given(tmp_path: Path) -> None:
    local: list[Any] = [pafs.LocalFileSystem(), fsspec.filesystem("file")]
    for filesystem in local:
        assert open_place(str(tmp_path), filesystem) == LocalPlace(tmp_path)
    assert open_place(f"file://{tmp_path}") == LocalPlace(tmp_path)
    place, name = open_file("/a/b.csv", fsspec.filesystem("memory"))
    assert (place.name, name) == ("memory://a", "b.csv")
    with pytest.raises(OutputError, match="filesystem is a str; give one of"):
        open_place("x", "memory")


def test_a_filesystem_with_directories_gets_them(tmp_path: Path) -> None:
    below = pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())
    jobs.run(open_place("deep/out", below), jobs.plan(partition="race"))
    jobs.run(tmp_path / "again", jobs.plan(partition="race"))
    assert jobs.contents(tmp_path / "deep" / "out") == jobs.contents(tmp_path / "again")


def test_a_generator_writes_to_a_bucket(synth: js.Synthesizer, bucket: str) -> None:
    manifest = synth.write(f"{bucket}/rows", 9000, seed=1, shard_rows=4096)
    assert [f.path for f in manifest.files] == [f"part-0000{i}.parquet" for i in range(3)]
    found = pa_dataset.dataset(f"{bucket}/rows").to_table()
    assert found.equals(synth.sample(9000, seed=1))
    one = synth.write(f"{bucket}/one.arrow", 100, seed=1)
    there = open_place(bucket)
    assert [there.digest(f.path) for f in one.files] == [(f.bytes, f.sha256) for f in one.files]
    assert {n for n in there.names() if not n.startswith(("rows", "one"))}.isdisjoint({"_plan.json", "_lock"})
