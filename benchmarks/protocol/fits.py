"""A generator's name and a set in, generated rows and what the fit cost out; every fit in its own process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

import jaxsynth as js
from benchmarks.protocol.baselines import independent
from benchmarks.protocol.sets import Task
from jaxsynth.models import DEFAULTS

ROOT = Path(__file__).resolve().parents[2]
PEERS = ("ctgan", "tvae", "mostlyai", "arf")
DELTA = 1e-6  # of private fits
_ERROR_LINES = 12


class FitError(Exception):
    """A fit that ended with an error; the message holds the end of what it said."""


@dataclass(frozen=True, kw_only=True)
class Runner:
    """How fits are run.

    Attributes:
        folder: for the files handed over.
        peer: python of the peers' environment; None: peers fail with a message.
        peer_epochs: replaces the peers' default number of epochs, for trying out the scripts.
        limit: seconds a fit may take; None: any.
    """

    folder: Path
    peer: str | None
    peer_epochs: int | None
    limit: float | None

    def run(
        self, model: str, task: Task, *, seed: int, epsilon: float | None = None
    ) -> tuple[pa.Table, dict[str, Any]]:
        """Generate as many rows as `task` trains on; with an epsilon, by a private fit.

        Raises:
            FitError: the fit failed, took too long, or nothing of that name is known.
        """
        if model == "independent":
            return independent(task.train, seed), {}
        pq.write_table(task.train, self.folder / "train.parquet")
        task.schema.save(self.folder / "schema.json")
        budget = [] if epsilon is None else [str(epsilon), str(DELTA)]
        if model in DEFAULTS:
            command = [sys.executable, "-m", "benchmarks.protocol.own", model]
            cost = self._process(command, "schema.json", task.train.num_rows, seed, *budget)
        elif epsilon is not None:
            command = [self._python(model), "-m", "benchmarks.peers.run_private", model]
            cost = self._process(command, "schema.json", task.train.num_rows, seed, *budget)
        elif model in PEERS:
            cost = self._peer(model, task, seed)
        else:
            raise FitError(f"model {model!r} is unknown; these are independent, real, {', '.join(names())}")
        return js.nan_to_null(self.folder / "out.parquet").select(task.train.column_names), cost

    def _peer(self, model: str, task: Task, seed: int) -> dict[str, Any]:
        categories = [c.name for c in task.schema if not c.is_numeric]
        (self.folder / "categories.json").write_text(json.dumps(categories))
        command = [self._python(model), "-m", "benchmarks.peers.run", model]
        extra = [] if self.peer_epochs is None else [str(self.peer_epochs)]
        return self._process(command, "categories.json", task.train.num_rows, seed, *extra)

    def _python(self, model: str) -> str:
        if self.peer is None:
            raise FitError(f"{model} runs in an environment of its own; give its python with --peer")
        return self.peer

    def _process(self, command: list[str], columns: str, rows: int, seed: int, *extra: str) -> dict[str, Any]:
        files = [str(self.folder / name) for name in ("train.parquet", columns, "out.parquet")]
        try:
            done = subprocess.run(
                [*command, *files, str(rows), str(seed), *extra],
                capture_output=True, text=True, timeout=self.limit, cwd=ROOT, check=False,
                # The last line of an error should be the error, not a remark on hidden frames.
                env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_TRACEBACK_FILTERING": "remove_frames"},
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            raise FitError(f"took more than {self.limit:.0f} s") from error
        if done.returncode:
            last = "\n".join(done.stderr.strip().splitlines()[-_ERROR_LINES:])
            raise FitError(f"exit status {done.returncode}: {last}")
        result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
        return result


def names() -> list[str]:
    """Everything that can be fitted: this release's generators, and the peers."""
    return [*DEFAULTS, *PEERS]
