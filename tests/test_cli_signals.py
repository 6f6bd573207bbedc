"""SIGTERM to the command line, as a batch queue sends it; and JSON lines, as its logs are read."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import jaxsynth as js
from jaxsynth.errors import OutputWarning
from tests.conftest import make_table
from tests.sample.jobs import contents
from tests.test_cli import run

ROWS, SHARD_ROWS = 200_000, 5_000
LONG_FIT = """
import jaxsynth.models, jaxsynth.progress
from jaxsynth.cli import main

jaxsynth.progress.INTERVAL = 0
jaxsynth.models.DEFAULTS = {"vae": jaxsynth.models.VAE(latent=2, hidden=(8,), epochs=10**5, anneal=1e-9)}
main()
"""


def _started(*arguments: object, code: tuple[str, str] = ("-m", "jaxsynth")) -> subprocess.Popen[str]:
    command = [sys.executable, *code, *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=Path.cwd())


def _json(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_terminated_job_goes_on_to_the_same_files(tmp_path: Path, synth: js.Synthesizer) -> None:
    synth.save(tmp_path / "m.jsynth")
    out = tmp_path / "out"
    size = ("-n", ROWS, "--shard-rows", SHARD_ROWS, "--seed", 3, "--workers", 2)
    job = _started("sample", tmp_path / "m.jsynth", *size, "-o", out)
    while not (out / "_receipts" / "00001.json").exists():
        assert job.poll() is None
        time.sleep(0.01)
    job.send_signal(signal.SIGTERM)
    told = job.communicate()[1]
    assert told == f"terminated; complete shards stay in {out}: run the same command to go on\n"
    assert job.returncode == 143
    left = contents(out)
    assert not {"_lock", "_manifest.jsonl"} & left.keys()
    assert not list(out.rglob("*.tmp"))
    synth.write(out, ROWS, seed=3, shard_rows=SHARD_ROWS)  # a warning, of damage, would be an error
    synth.write(tmp_path / "undisturbed", ROWS, seed=3, shard_rows=SHARD_ROWS)
    assert contents(out) == contents(tmp_path / "undisturbed")
    assert left.items() <= contents(out).items()


def test_a_terminated_fit_writes_the_best_so_far(tmp_path: Path) -> None:
    pq.write_table(make_table(300), tmp_path / "train.parquet")
    out = tmp_path / "m.jsynth"
    fit = ("fit", tmp_path / "train.parquet", "--model", "vae", "-o", out, "--log-json")
    job = _started(*fit, code=("-c", LONG_FIT))
    assert job.stderr is not None
    first = json.loads(job.stderr.readline())
    job.send_signal(signal.SIGTERM)
    *_, warning, last, done = [first, *_json(job.communicate()[1])]
    assert job.returncode == 143
    assert {"event": "progress", "task": "training", "chunk": 1}.items() <= first.items()
    assert {"event": "warning", "category": "TrainingWarning"}.items() <= warning.items()
    assert "kept the best parameters so far" in warning["message"]
    assert {"event": "progress", "remaining_seconds": 0}.items() <= last.items()
    assert {"event": "done", "stopped": "interrupted", "sha256": js.load(out).digest}.items() <= done.items()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_fit_that_is_stopped_before_its_first_pass_writes_nothing(
    number: signal.Signals,
    status: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def stopped(*_: object, **__: object) -> None:
        os.kill(os.getpid(), number)
        time.sleep(10)

    if number == signal.SIGINT:
        signal.signal(number, signal.default_int_handler)  # which a shell's background jobs ignore
    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(sys.modules["jaxsynth.fitting"], "fit", stopped)
    pq.write_table(make_table(10), tmp_path / "train.parquet")
    fit = ("fit", tmp_path / "train.parquet", "-o", tmp_path / "m.jsynth")
    assert run(*fit, monkeypatch=monkeypatch) == status
    word = "terminated" if status == 143 else "interrupted"
    assert capsys.readouterr().err == f"{word}; nothing was written\n"
    assert not (tmp_path / "m.jsynth").exists()
    assert signal.getsignal(signal.SIGTERM) == before


@pytest.mark.filterwarnings("default")
def test_a_log_of_sampling_has_lines_unless_quiet(
    tmp_path: Path, synth: js.Synthesizer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    synth.save(tmp_path / "m.jsynth")
    sample = ("sample", tmp_path / "m.jsynth", "-n", 5000, "-o", tmp_path / "out")
    assert run(*sample, monkeypatch=monkeypatch) == 0
    progress, done = capsys.readouterr().err.splitlines()
    assert progress.startswith("sampling: 5,000/5,000 rows  ")
    assert done.startswith("wrote 5,000 rows")
    assert run(*sample, "--quiet", monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().err.startswith("wrote 5,000 rows")
    (tmp_path / "out" / "part-00000.parquet").unlink()
    assert run(*sample, "--log-json", monkeypatch=monkeypatch) == 0
    warning, progress_line, closing = _json(capsys.readouterr().err)
    assert {"event": "warning", "category": OutputWarning.__name__}.items() <= warning.items()
    size = (tmp_path / "out" / "part-00000.parquet").stat().st_size
    assert {"task": "sampling", "rows": 5000, "bytes": size, "shards": 1}.items() <= progress_line.items()
    assert {"event": "done", "rows": 5000, "bytes": size, "shards_built": 1}.items() <= closing.items()


@pytest.mark.parametrize(("rows", "told"), [("five", "valid integer"), ("-5", "rows=-5 is out of range")])
def test_errors_are_json_lines_too(
    rows: str,
    told: str,
    tmp_path: Path,
    synth: js.Synthesizer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    synth.save(tmp_path / "m.jsynth")
    sample = ("sample", tmp_path / "m.jsynth", "-n", rows, "-o", tmp_path / "x.csv", "--log-json")
    assert run(*sample, monkeypatch=monkeypatch) == 2
    (error,) = _json(capsys.readouterr().err)
    assert error["event"] == "error"
    assert told in error["message"]


def test_an_audit_tells_its_steps_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    rows = make_table(200)
    js.audit(rows, train=make_table(200, 1), holdout=make_table(200, 2), audits=["copies"], progress="json")
    lines = _json(capsys.readouterr().err)
    assert [line["step"] for line in lines] == list(range(1, len(lines) + 1))
    assert {"event": "progress", "task": "audit", "message": "nearest training rows"}.items() <= lines[0].items()
