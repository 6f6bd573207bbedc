"""Sampling jobs killed at random moments, then resumed: how many end as an undisturbed run does.

    python -m benchmarks.kill [--kills 100] [--rows 400000] [-o kill.json]

Each time `jaxsynth sample` starts in a process of its own, is killed (SIGKILL) at a moment between the writing
of its plan and the time an undisturbed run takes, and the same command is run again to its end. Goal: after all
kills the files and their hashes are those of the undisturbed run, with no row lost or doubled, and the resumed run
builds only shards that had no receipt. `interrupted` counts the kills that came before the job had ended.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pyarrow.dataset as pa_dataset

import jaxsynth as js
from benchmarks.machine import describe

_GENERATOR = js.VAE(latent=4, hidden=(32,), epochs=3, min_steps=60)
_SHARDS = 40


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rows", type=int, default=400_000, help="of the job, in 40 shards")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("-o", "--out", type=Path, default=Path("build/kill.json"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        found = measure(Path(directory), arguments.kills, arguments.rows, arguments.seed)
    result = {"machine": describe(), "kills": arguments.kills, "rows": arguments.rows, **found}
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps(result, indent=1))


def measure(root: Path, kills: int, rows: int, seed: int) -> dict[str, int]:
    """Counts over all kills."""
    model = root / "model.jsynth"
    js.fit(js.datasets.load("support2"), _GENERATOR, seed=0, progress=False).save(model)
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(root / "cache")  # else most kills would meet the compiler
    os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    command = [sys.executable, "-m", "jaxsynth", "sample", str(model), "-n", str(rows), "-o"]
    options = ["--shard-rows", str(-(-rows // _SHARDS))]
    _run([*command, str(root / "warm"), *options])
    took = _run([*command, str(root / "whole"), *options])
    whole, moments = contents(root / "whole"), random.Random(seed)
    counts: Counter[str] = Counter(interrupted=0, identical=0, lost_or_doubled_rows=0, rebuilt_whole_shards=0)
    for done in range(kills):
        print(f"{done} of {kills} kills", end="\r", file=sys.stderr)
        out = root / "out"
        shutil.rmtree(out, ignore_errors=True)
        counts["interrupted"] += kill([*command, str(out), *options], out, moments.uniform(0, took))
        before = {p: p.stat().st_mtime_ns for p in (out / "_receipts").glob("[0-9]*.json")}
        counts["shards_there"] += len(before)
        _run([*command, str(out), *options])
        counts["identical"] += contents(out) == whole
        counts["lost_or_doubled_rows"] += abs(pa_dataset.dataset(out).count_rows() - rows)
        counts["rebuilt_whole_shards"] += sum(p.stat().st_mtime_ns != at for p, at in before.items())
    return dict(counts)


def kill(command: list[str], out: Path, moment: float) -> bool:
    """Start, kill `moment` seconds after the plan is there; whether that came before the end."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while not (out / "_plan.json").exists() and process.poll() is None:
        time.sleep(0.001)
    time.sleep(moment)
    process.kill()
    return process.wait() != 0


def _run(command: list[str]) -> float:
    """Run to the end; seconds from the plan on."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    plan = Path(command[command.index("-o") + 1]) / "_plan.json"
    while not plan.exists() and process.poll() is None:
        time.sleep(0.001)
    started = time.perf_counter()
    if process.wait() != 0:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")
    return time.perf_counter() - started


def contents(root: Path) -> dict[str, str]:
    """SHA-256 of every file, by its path."""
    files = (p for p in root.rglob("*") if p.is_file())
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


if __name__ == "__main__":
    main()
