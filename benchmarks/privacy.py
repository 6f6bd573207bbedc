"""Utility against epsilon: every private generator and the private peers, on the same rows and scores.

    python -m benchmarks.privacy --sets adult --models autoregressive,vae,gan,dpmm-mst --epsilons .5,1,3,10
        --seeds 0 --out build/privacy.jsonl [--peer PREFIX=PYTHON ...]
    python -m benchmarks.privacy --table --out build/privacy.jsonl

Delta is 1e-6 and the schema (levels, bounds, grid) is public; everything else that a generator of ours learns
is paid for. What a peer does not pay for stands in its record. `--epsilons none` is the fit without privacy.
Every fit runs in a process of its own, every result is a line of JSON, and what the file holds is not run again.

Goals, on Adult: utility AUC of the Autoregressive at least .89 at epsilon 1, with a trend error of 6 % at most,
and .90 at epsilon 3; of the GAN and the VAE at least .80 at epsilon 3.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from statistics import mean
from typing import Any

import pyarrow as pa

from benchmarks.machine import describe
from benchmarks.protocol import records
from benchmarks.protocol.fits import ROOT, FitError, Runner
from benchmarks.protocol.scores import of_private
from benchmarks.protocol.sets import Task, load
from jaxsynth.errors import JaxsynthError

_ENVIRONMENTS = {"dpmm": ".private-venv", "smartnoise": ".smartnoise-venv", "mostlyai": ".bench-venv"}
_NONE = "none"
_FIGURES = (("utility_auc", "AUC", "{:.3f}"), ("trend_error", "trend error, %", "{:.1f}"))


def main() -> None:
    arguments = _arguments()
    if not arguments.table:
        _run(arguments)
    print(render(records.latest(records.read(arguments.out))))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sets", type=records.listed, default=["adult"])
    parser.add_argument("--models", type=records.listed, default=["autoregressive", "vae", "gan"])
    parser.add_argument("--epsilons", type=records.listed, default=["0.5", "1", "3", "10", _NONE])
    parser.add_argument("--seeds", type=lambda text: [int(s) for s in text.split(",")], default=[0])
    parser.add_argument("--out", type=Path, default=Path("build/privacy.jsonl"))
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tabular"))
    parser.add_argument("--peer", action="append", default=[], metavar="PREFIX=PYTHON", help="python of a peer")
    parser.add_argument("--limit", type=float, help="seconds a fit may take")
    parser.add_argument("--table", action="store_true", help="only print the table of what the file holds")
    return parser.parse_args()


def _run(arguments: argparse.Namespace) -> None:
    done = records.finished(records.read(arguments.out))
    pythons = {p: str(ROOT / folder / "bin" / "python") for p, folder in _ENVIRONMENTS.items()}
    pythons |= dict(pair.split("=", 1) for pair in arguments.peer)
    for name in arguments.sets:
        task = load(name, arguments.data)
        for seed in arguments.seeds:
            for model in arguments.models:
                for epsilon in arguments.epsilons:
                    if (name, model, seed, _kind(epsilon)) not in done:
                        record = _record(arguments, task, model, seed, epsilon, pythons.get(model.split("-")[0]))
                        records.append(arguments.out, record)
                        print(_line(record), file=sys.stderr, flush=True)


def _kind(epsilon: str) -> str:
    return f"epsilon {_NONE if epsilon == _NONE else format(float(epsilon), 'g')}"


def _record(
    arguments: argparse.Namespace, task: Task, model: str, seed: int, epsilon: str, python: str | None
) -> dict[str, Any]:
    record = records.begun(task.name, model, seed, _kind(epsilon), describe())
    with tempfile.TemporaryDirectory() as folder:
        runner = Runner(folder=Path(folder), peer=python, peer_epochs=None, limit=arguments.limit)
        try:
            bound = None if epsilon == _NONE else float(epsilon)
            synthetic, cost = runner.run(model, task, seed=seed, epsilon=bound)
            scores = of_private(task, synthetic, seed=seed)
        except (FitError, JaxsynthError, pa.ArrowException, KeyError) as error:
            return {**record, "status": "failed", "error": f"{type(error).__name__}: {error}"}
    return {**record, "status": "ok", "rows": task.train.num_rows, "fit": cost, "scores": scores}


def _line(record: dict[str, Any]) -> str:
    what = f"{record['set']} {record['model']} seed {record['seed']} {record['kind']}"
    if record["status"] != "ok":
        return f"{what}: failed: {record['error'].splitlines()[-1]}"
    scores = ", ".join(f"{k} {v:.4g}" for k, v in record["scores"].items() if v is not None)
    return f"{what}: fit {record['fit']['fit_seconds']:.1f} s: {scores}"


def render(found: list[dict[str, Any]]) -> str:
    """A Markdown table for each set: generators as rows, epsilons as columns; means over the seeds."""
    sets = dict.fromkeys(r["set"] for r in found)
    return "\n\n".join(_table(name, [r for r in found if r["set"] == name]) for name in sets)


def _table(name: str, found: list[dict[str, Any]]) -> str:
    kinds = sorted({r["kind"] for r in found}, key=_place)
    head = [f"{name}: {' / '.join(title for _, title, _ in _FIGURES)}", *kinds, "fit, s"]
    lines = [head, ["---"] * len(head)]
    for model in dict.fromkeys(r["model"] for r in found):
        own = [r for r in found if r["model"] == model]
        cells = [_cell([r for r in own if r["kind"] == kind]) for kind in kinds]
        lines.append([model, *cells, _seconds(own)])
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _place(kind: str) -> float:
    bound = kind.split()[1]
    return float("inf") if bound == _NONE else float(bound)


def _cell(found: list[dict[str, Any]]) -> str:
    good = [r["scores"] for r in found if r["status"] == "ok"]
    if not good:
        return "failed" if found else ""
    return " / ".join(_figure(form, (s[key] for s in good)) for key, _, form in _FIGURES)


def _figure(form: str, values: Iterable[float | None]) -> str:
    known = [v for v in values if v is not None]
    return form.format(mean(known)) if known else "–"


def _seconds(found: list[dict[str, Any]]) -> str:
    """Of the private fits, shortest to longest."""
    own = [r["fit"]["fit_seconds"] for r in found if r["status"] == "ok" and r["kind"] != _kind(_NONE)]
    return f"{min(own):.0f} to {max(own):.0f}" if own else ""


if __name__ == "__main__":
    main()
