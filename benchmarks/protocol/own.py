"""One fit of a generator of ours in a process of its own; prints one line of JSON, the last.

python -m benchmarks.protocol.own MODEL TRAIN.parquet SCHEMA.json OUT.parquet ROWS SEED [EPSILON DELTA]

With an epsilon the fit is private, and what the schema says is taken as public.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from typing import Any

import jax
import pyarrow.parquet as pq

import jaxsynth as js
from benchmarks.peers.memory import peak_megabytes
from jaxsynth.models import DEFAULTS
from jaxsynth.train import library_versions

_PREFIX = "/jax/core/compile/"
_RATE_ROWS = 200_000


class CompileClock:
    """Seconds in which JAX was tracing or compiling; phases that overlap or nest count once."""

    def __init__(self) -> None:
        self._spans: list[tuple[float, float]] = []
        jax.monitoring.register_event_duration_secs_listener(self._heard)

    def _heard(self, event: str, duration_secs: float, **_: str | int) -> None:
        if event.startswith(_PREFIX):
            end = time.perf_counter()
            self._spans.append((end - duration_secs, end))

    def within(self, start: float, stop: float) -> float:
        """Seconds between two readings of `time.perf_counter`."""
        total, reached = 0.0, start
        for begin, end in sorted(self._spans):
            begin, end = max(begin, reached), min(end, stop)
            total += max(0.0, end - begin)
            reached = max(reached, end)
        return total

    def timed(self, run: Callable[[], Any]) -> tuple[Any, float, float]:
        """Result, seconds, and how many of them were compilation."""
        start = time.perf_counter()
        result = run()
        stop = time.perf_counter()
        return result, stop - start, self.within(start, stop)


def main(arguments: list[str]) -> None:
    model, source, schema_path, out = arguments[:4]
    rows, seed = map(int, arguments[4:6])
    privacy = _privacy(*map(float, arguments[6:])) if len(arguments) > 6 else None
    js.use_all_cores()
    clock = CompileClock()
    schema = js.Schema.load(schema_path)
    if privacy is not None:
        schema = schema.declare_public()
    table = pq.read_table(source)
    processor = time.process_time()
    synth, fit, fit_compile = clock.timed(
        lambda: js.fit(table, DEFAULTS[model], schema=schema, privacy=privacy, seed=seed, progress=False)
    )
    processor = time.process_time() - processor
    synthetic, sampling, sampling_compile = clock.timed(lambda: synth.sample(rows, seed=seed))
    peak = peak_megabytes()
    pq.write_table(synthetic, out)
    _, repeated, _ = clock.timed(lambda: synth.sample(_RATE_ROWS, seed=seed + 1))
    result = {
        "fit_seconds": fit, "fit_compile_seconds": fit_compile, "fit_processor_seconds": processor,
        "steps": synth.history.steps,
        "sample_seconds": sampling, "sample_compile_seconds": sampling_compile, "sample_rows": rows,
        "rows_a_second": _RATE_ROWS / repeated, "peak_megabytes": peak, "devices": len(jax.local_devices()),
        "versions": library_versions(), "notes": [],
    }  # fmt: skip
    print(json.dumps(result))


def _privacy(epsilon: float, delta: float) -> js.Privacy:
    return js.Privacy(epsilon=epsilon, delta=delta)


if __name__ == "__main__":
    main(sys.argv[1:])
