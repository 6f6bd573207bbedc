"""Sampling on Ray: two workers on this machine draw what one process draws."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pytest

pytestmark = [
    pytest.mark.filterwarnings("default"),  # Ray's own
    pytest.mark.filterwarnings("error::jaxsynth.errors.OutputWarning"),
]
ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")

import jaxsynth as js  # noqa: E402
from jaxsynth.errors import ArtefactError, ConditionError, OutputError, OutputWarning  # noqa: E402
from jaxsynth.ray.crew import _stop  # noqa: E402
from tests.sample.jobs import contents  # noqa: E402

JOB: dict[str, Any] = {"rows": 21_000, "seed": 5, "start": 300, "shard_rows": 5_000}


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Two workers; gives the address."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path.cwd()))  # workers find tests/
        before = signal.getsignal(signal.SIGTERM)
        context = ray.init(
            num_cpus=2, include_dashboard=False, object_store_memory=100 * 2**20, log_to_driver=False,
            logging_level="ERROR", address="local",
        )  # fmt: skip
        ray.data.DataContext.get_current().enable_progress_bars = False
        ray.data.DataContext.get_current().execution_options.preserve_order = True
        yield context.address_info["address"]
        ray.shutdown()
        signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def model(synth: js.Synthesizer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "m.jsynth"
    synth.save(path)
    return path


@pytest.fixture(scope="module")
def reference(synth: js.Synthesizer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What one process writes."""
    out = tmp_path_factory.mktemp("reference")
    synth.write(out, **JOB)
    return contents(out)


def rows_of(dataset: Any, schema: pa.Schema) -> pa.Table:
    return pa.concat_tables(ray.get(ref).cast(schema) for ref in dataset.to_arrow_refs())


@pytest.mark.parametrize("rows_per_task", [1_000, 4_097])
def test_a_dataset_is_the_stream(cluster: str, synth: js.Synthesizer, rows_per_task: int) -> None:
    dataset = js.ray.dataset(synth, 9_000, seed=7, start=50, rows_per_task=rows_per_task)
    assert dataset.count() == 9_000
    assert dataset.schema().base_schema == synth.schema.arrow
    assert rows_of(dataset, synth.schema.arrow).equals(synth.sample(9_000, seed=7, start=50))


def test_a_dataset_keeps_a_condition_and_comes_from_a_file(
    cluster: str, synth: js.Synthesizer, model: Path
) -> None:
    where = {"sex": "female", "age": js.between(40, 60)}
    found = rows_of(js.ray.dataset(model, 3_000, where=where, rows_per_task=1_700), synth.schema.arrow)
    assert found.equals(synth.sample(3_000, seed=0, where=where))
    assert found["sex"].unique().to_pylist() == ["female"]


def test_a_dataset_tells_its_size_before_anything_is_drawn(cluster: str, synth: js.Synthesizer) -> None:
    told = js.ray.dataset(synth, 10**9).size_bytes()
    assert 0.5 < told / 10**9 / (synth.sample(5_000, seed=0).nbytes / 5_000) < 2


def test_workers_write_what_one_process_writes(
    cluster: str, synth: js.Synthesizer, reference: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    manifest = js.ray.write(synth, "out", **JOB)
    assert manifest.complete
    assert manifest.built == 5
    assert contents(tmp_path / "out") == reference
    assert js.ray.write(synth, "out", **JOB, workers=1).built == 0
    assert synth.write("out", **JOB) == manifest


def test_parts_partitions_and_formats_are_those_of_one_process(
    cluster: str, synth: js.Synthesizer, tmp_path: Path
) -> None:
    job = {**JOB, "partition": "sex", "format": "csv", "where": {"smoker": True}}
    assert not js.ray.write(synth, tmp_path / "ray", **job, part=(1, 2)).complete
    assert js.ray.write(synth, tmp_path / "ray", **job, part=(0, 2)).built == 3
    synth.write(tmp_path / "one", **job)
    assert contents(tmp_path / "ray") == contents(tmp_path / "one")


def test_what_is_damaged_is_built_anew(
    cluster: str, synth: js.Synthesizer, reference: dict[str, str], tmp_path: Path
) -> None:
    synth.write(tmp_path, **JOB)
    (tmp_path / "part-00001.parquet").write_bytes(b"")
    (tmp_path / "_receipts/00003.json").unlink()
    with pytest.warns(OutputWarning, match=r"part-00001.parquet is damaged; shard 1 was built anew"):
        assert js.ray.write(synth, tmp_path, **JOB).built == 2
    assert contents(tmp_path) == reference


class Deadly(dict[str, Any]):
    """A condition; the first process that reads it dies in the middle of a file."""

    def __init__(self, where: dict[str, Any], out: Path, marks: Path) -> None:
        super().__init__(where)
        self.out, self.marks = out, marks

    def __reduce__(self) -> Any:
        return _armed, (dict(self), self.out, self.marks)


def _armed(where: dict[str, Any], out: Path, marks: Path) -> dict[str, Any]:
    def die() -> None:
        while not any(file.stat().st_size for file in out.glob(".part-*.tmp")):
            time.sleep(0.001)
        (marks / "died").touch()
        os.kill(os.getpid(), signal.SIGKILL)

    try:
        (marks / "armed").touch(exist_ok=False)
        threading.Thread(target=die, daemon=True).start()
    except FileExistsError:
        pass
    return where


def test_a_killed_worker_changes_no_byte(cluster: str, synth: js.Synthesizer, tmp_path: Path) -> None:
    out, marks = tmp_path / "out", tmp_path / "marks"
    marks.mkdir()
    job = {"rows": 600_000, "seed": 1, "shard_rows": 200_000}
    manifest = js.ray.write(synth, out, **job, where=Deadly({"sex": "male"}, out, marks))  # type: ignore[arg-type]
    assert (marks / "died").exists()
    assert manifest.complete
    synth.write(tmp_path / "one", **job, where={"sex": "male"})  # type: ignore[arg-type]
    assert contents(out) == contents(tmp_path / "one")


def test_progress_counts_shards(
    cluster: str, synth: js.Synthesizer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    js.ray.write(synth, tmp_path, **JOB, progress=True)
    assert capsys.readouterr().err.startswith("sampling: 21,000/21,000 rows  5/5 shards  ")


def test_a_terminated_command_goes_on_to_the_same_files(
    cluster: str, model: Path, synth: js.Synthesizer, tmp_path: Path
) -> None:
    out, rows, shard_rows = tmp_path / "out", 1_000_000, 50_000
    job = ["-n", rows, "--shard-rows", shard_rows, "--seed", 5, "-o", out, "--ray", "--ray-address", cluster]
    command = [sys.executable, "-m", "jaxsynth", "sample", *map(str, [model, *job]), "--quiet"]
    running = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while len(list(out.glob("_receipts/*.json"))) < 2:  # of whichever worker started first
        assert running.poll() is None
        time.sleep(0.01)
    running.send_signal(signal.SIGTERM)
    told = running.communicate(timeout=100)[1]
    assert told == f"terminated; complete shards stay in {out}: run the same command to go on\n"
    assert running.returncode == 143
    left = contents(out)
    assert not {"_lock", "_manifest.jsonl"} & left.keys()
    assert not list(out.rglob("*.tmp"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    kept = sum(name.startswith("_receipts/") for name in left)
    assert done.stderr == f"wrote 1,000,000 rows to {out}; {kept} of 20 shards were there\n"
    assert done.returncode == 0
    synth.write(tmp_path / "one", rows, seed=5, shard_rows=shard_rows)
    assert contents(out) == contents(tmp_path / "one")
    assert left.items() <= contents(out).items()


@pytest.mark.parametrize(("seconds", "cancelled"), [(0.5, False), (1000.0, True)])
def test_tasks_end_by_themselves_or_are_told_to(
    seconds: float, cancelled: bool, cluster: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jaxsynth.ray.crew._FINISH", 5.0)
    task = ray.remote(lambda: time.sleep(seconds)).remote()
    _stop([task])
    assert ray.wait([task], timeout=0)[0] == [task]
    if cancelled:
        with pytest.raises(ray.exceptions.TaskCancelledError):
            ray.get(task)
    else:
        assert ray.get(task) is None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"rows": 0}, "rows=0 is out of range; give 1 <= rows"),
        ({"rows_per_task": 0}, "rows_per_task=0 is out of range; give 1 <= rows_per_task"),
        ({"start": -1}, "start=-1 is out of range"),
        ({"seed": 2**32}, "seed=4294967296 is out of range"),
        ({"where": {"race": "x"}}, "race"),
    ],
)
def test_a_dataset_that_cannot_be(synth: js.Synthesizer, wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(ConditionError, match=told):
        js.ray.dataset(synth, **{"rows": 5, **wrong})


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"start": -1}, "start=-1 is out of range"),
        ({"shard_rows": 0}, "shard_rows=0 is out of range"),
        ({"workers": 0}, "workers=0 is out of range"),
        ({"part": (2, 2)}, "part=2 is out of range"),
        ({"out": "x.parquet"}, "'x.parquet' is one file, which Ray's workers cannot share; name a directory"),
        ({"partition": "race"}, "partition by 'race': there is no such column"),
        ({"address": "127.0.0.1:1"}, "this process is connected to a Ray cluster; leave out the address"),
    ],
)
def test_a_job_that_cannot_be(
    cluster: str, synth: js.Synthesizer, tmp_path: Path, wrong: dict[str, Any], told: str
) -> None:
    with pytest.raises((ConditionError, OutputError), match=told):
        js.ray.write(synth, **{"out": tmp_path / "out", "rows": 5, "seed": 0, **wrong})
    assert not (tmp_path / "out").exists()


def test_a_cluster_that_does_not_answer_is_told(
    synth: js.Synthesizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def init(**named: object) -> None:
        raise ConnectionError(f"ray cluster at {named['address']} has shut down")  # after minutes

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", init)
    with pytest.raises(
        OutputError, match=r"no Ray cluster at '10\.0\.0\.1:1' \(.* has shut down\); check address"
    ):
        js.ray.write(synth, tmp_path / "out", 5, seed=0, address="10.0.0.1:1")
    assert not (tmp_path / "out").exists()


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    for asked in (js.ray.dataset, lambda model, rows: js.ray.write(model, tmp_path / "out", rows, seed=0)):
        with pytest.raises(ArtefactError, match="no model file"):
            asked(tmp_path / "none.jsynth", 5)


def test_a_place_that_workers_do_not_see_is_told(cluster: str, synth: js.Synthesizer) -> None:
    import fsspec

    with pytest.raises(
        OutputError, match=r"does not see the job in .*; choose a directory of a file system that all"
    ):
        js.ray.write(synth, "out", 5, seed=0, filesystem=fsspec.filesystem("memory"))


def test_what_a_worker_cannot_write_is_told(cluster: str, synth: js.Synthesizer, tmp_path: Path) -> None:
    (tmp_path / "part-00000.parquet").mkdir(parents=True)
    (tmp_path / "_receipts").mkdir()
    with pytest.raises(OutputError, match=r"part-00000\.parquet': it is a directory"):
        js.ray.write(synth, tmp_path, 5, seed=0, filesystem=pafs.LocalFileSystem())


def test_without_ray_the_rest_works_and_the_remedy_is_told() -> None:
    code = """
import sys
import jaxsynth as js

assert not {"ray", "jaxsynth.ray"} & sys.modules.keys()
sys.modules["ray"] = None
try:
    js.ray
except js.JaxsynthError as error:
    assert str(error).endswith("pip install 'jaxsynth[ray]'"), error
else:
    raise AssertionError
assert not hasattr(js, "no_such_name")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
