"""Processes that were launched together share one job."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import jaxsynth as js
from tests.sample.jobs import contents

ROWS = {"rows": 30_000, "seed": 4, "start": 100, "shard_rows": 7_000}


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _library(rank: int, port: int, model: Path, out: Path) -> tuple[list[object], dict[str, str]]:
    return ["-m", "tests.sample.write_in_processes", rank, port, model, out], {}


def _slurm(rank: int, port: int, model: Path, out: Path) -> tuple[list[object], dict[str, str]]:
    """The command line as `srun -n 2` starts it."""
    numbers = {"JOB_ID": 1, "STEP_NODELIST": "127.0.0.1", "NTASKS": 2, "PROCID": rank, "LOCALID": 0}
    told = {f"SLURM_{name}": str(value) for name, value in numbers.items()}
    job = ["-n", 30_000, "--seed", 4, "--start", 100, "--shard-rows", 7_000, "--part", "auto"]
    return ["-m", "jaxsynth", "sample", model, *job, "-o", out], {**told, "JAX_COORDINATOR_PORT": str(port)}


@pytest.mark.parametrize("way", [_library, _slurm])
def test_two_processes_write_what_one_writes(
    synth: js.Synthesizer,
    tmp_path: Path,
    way: Callable[[int, int, Path, Path], tuple[list[object], dict[str, str]]],
) -> None:
    synth.save(tmp_path / "m.jsynth")
    port, running = _free_port(), []
    for rank in range(2):
        arguments, told = way(rank, port, tmp_path / "m.jsynth", tmp_path / "two")
        command = [sys.executable, *map(str, arguments)]
        running.append(subprocess.Popen(command, env=os.environ | told, stdout=subprocess.PIPE, text=True))
    said = [process.communicate(timeout=200)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0]
    if way is _library:
        assert said == ["3 4 2\n", "2 4 2\n"]
    synth.write(tmp_path / "one", **ROWS)  # type: ignore[arg-type]
    assert contents(tmp_path / "two") == contents(tmp_path / "one")
    found = pq.read_table(tmp_path / "two", partitioning=None)
    assert found.cast(synth.schema.arrow).equals(synth.sample(30_000, seed=4, start=100))


def test_a_process_alone_takes_all(synth: js.Synthesizer, tmp_path: Path) -> None:
    assert synth.write(tmp_path / "out", **ROWS, part="auto").complete  # type: ignore[arg-type]


def test_a_command_that_nobody_launched_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "jaxsynth", "sample", "m.jsynth", "-n", "5", "-o", str(tmp_path / "out")]
    done = subprocess.run([*command, "--part", "auto"], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "--part auto: cannot tell which processes share the work (coordinator_address" in done.stderr
