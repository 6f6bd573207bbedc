"""Quality, speed and memory of every generator and the peers, on the same rows, by the published protocol.

    python -m benchmarks.quality --sets adult,magic --models independent,real,autoregressive,ctgan
        --seeds 0,1,2 --out results.jsonl --peer PEER_PYTHON [--dcr]
    python -m benchmarks.quality_table results.jsonl

Every fit runs in a process of its own and every result is one line of JSON; what the file already holds is
not run again, and a fit that fails is recorded and the run goes on. `real` is the floor: one random half of
the real rows in place of the training table, the other of the generated one. `independent` shuffles each
column for itself. `--dcr` trains everything once more on half of all rows, for the share of generated rows
nearer to that half than to the other.

Goals: the best published figure of each set, see `benchmarks/protocol/goals.py`; the table shows them beside
what was measured.
"""

from __future__ import annotations

import argparse
import platform
import sys
import tempfile
import time
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.machine import describe
from benchmarks.protocol import records
from benchmarks.protocol.fits import FitError, Runner, names
from benchmarks.protocol.memorisation import closer_share
from benchmarks.protocol.scores import Scores, of_real, of_synthetic
from benchmarks.protocol.sets import SETS, Task, halves, load
from jaxsynth.errors import JaxsynthError


def main() -> None:
    arguments = _arguments()
    done = records.finished(records.read(arguments.out))
    kinds = ("quality", "dcr") if arguments.dcr else ("quality",)
    for name in arguments.sets:
        task = load(name, arguments.data)
        for seed in arguments.seeds:
            for model in arguments.models:
                for kind in kinds:
                    if (name, model, seed, kind) not in done:
                        record = _record(arguments, task, model, seed, kind)
                        records.append(arguments.out, record)
                        print(_line(record), file=sys.stderr, flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--sets", type=records.listed, default=list(SETS), help=f"of {','.join(SETS)}; all by default"
    )
    parser.add_argument(
        "--models", type=records.listed, default=["independent", "real", *names()],
        help="of independent,real,ctgan,tvae,mostlyai,arf and this release's generators; all by default",
    )  # fmt: skip
    parser.add_argument("--seeds", type=lambda text: [int(s) for s in text.split(",")], default=[0])
    parser.add_argument("--out", type=Path, default=Path("build/quality.jsonl"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tabular"))
    parser.add_argument("--peer", help="python of the environment that has the peers")
    parser.add_argument("--peer-epochs", type=int, help="instead of their defaults, for trying out the scripts")
    parser.add_argument("--limit", type=float, help="seconds a fit may take")
    parser.add_argument("--dcr", action="store_true", help="also train on halves: one more fit each")
    arguments = parser.parse_args()
    unknown = set(arguments.models) - {"independent", "real", *names()}
    if unknown:
        parser.error(f"--models: {', '.join(sorted(unknown))}: there are independent, real, {', '.join(names())}")
    return arguments


def _record(arguments: argparse.Namespace, task: Task, model: str, seed: int, kind: str) -> dict[str, Any]:
    record = {
        **records.begun(task.name, model, seed, kind, describe()),
        "scoring_versions": {n: version(n) for n in ("xgboost", "scikit-learn", "jaxsynth")},
    }
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(
            folder=Path(folder), peer=arguments.peer, peer_epochs=arguments.peer_epochs, limit=arguments.limit
        )
        try:
            found = _quality(runner, task, model, seed) if kind == "quality" else _dcr(runner, task, model, seed)
        except (FitError, JaxsynthError, pa.ArrowException, KeyError) as error:
            return {**record, "status": "failed", "error": f"{type(error).__name__}: {error}"}
    return {**record, "status": "ok", **found}


def _quality(runner: Runner, task: Task, model: str, seed: int) -> dict[str, Any]:
    synthetic, cost = (None, {}) if model == "real" else runner.run(model, task, seed=seed)
    started = time.perf_counter()
    scores = of_real(task, seed=seed) if synthetic is None else of_synthetic(task, synthetic, seed=seed)
    return _found(task, cost, scores, started)


def _dcr(runner: Runner, task: Task, model: str, seed: int) -> dict[str, Any]:
    split = halves(task, seed)
    cost: dict[str, Any] = {}
    if model == "real":
        split, synthetic = _thirds(split)
    else:
        synthetic, cost = runner.run(model, split, seed=seed)
    started = time.perf_counter()
    share = closer_share(synthetic, train=split.train, holdout=split.holdout, schema=split.schema)
    return _found(split, cost, {"closer_share": share}, started)


def _thirds(split: Task) -> tuple[Task, pa.Table]:
    """Two thirds to be near to, and the last in place of generated rows."""
    size = (split.train.num_rows + split.holdout.num_rows) // 3
    rest = pa.concat_tables([split.train.slice(size), split.holdout.slice(size)])
    return replace(split, train=split.train.slice(0, size), holdout=split.holdout.slice(0, size)), rest


def _found(task: Task, cost: dict[str, Any], scores: Scores, started: float) -> dict[str, Any]:
    return {
        "rows": task.train.num_rows, "holdout_rows": task.holdout.num_rows,
        "columns": task.train.num_columns, "fit": cost, "scores": scores,
        "scoring_seconds": time.perf_counter() - started, "python": platform.python_version(),
    }  # fmt: skip


def _line(record: dict[str, Any]) -> str:
    what = f"{record['set']} {record['model']} seed {record['seed']} {record['kind']}"
    if record["status"] != "ok":
        return f"{what}: failed: {record['error'].splitlines()[-1]}"
    scores = ", ".join(f"{k} {v:.4g}" for k, v in record["scores"].items() if v is not None)
    seconds = record["fit"].get("fit_seconds", 0.0)
    return f"{what}: fit {seconds:.1f} s, scored in {record['scoring_seconds']:.1f} s: {scores}"


if __name__ == "__main__":
    main()
