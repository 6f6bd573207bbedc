"""The demonstration: the whole job on the embedded SUPPORT2 cohort, with real holdout rows kept apart."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from jaxsynth import datasets
from jaxsynth.audit import AuditReport, audit
from jaxsynth.fitting import fit
from jaxsynth.models import Autoregressive
from jaxsynth.quality import QualityReport, evaluate
from jaxsynth.report import report
from jaxsynth.synthesizer import Synthesizer

_HOLDOUT = 0.3
# Smaller than the default: the whole demonstration is to end within two minutes on a laptop.
_GENERATOR = Autoregressive(embedding=4, hidden=64, min_steps=500, networks=1)
_ROWS = 10_000


def run_demo(out: Path, *, seed: int) -> None:
    """Fit, sample, audit, evaluate and report into directory `out`; prints a short table."""
    started = time.perf_counter()
    console = Console(stderr=True)
    schema = datasets.schema("support2")
    train, holdout = split(datasets.load("support2"), seed)
    console.print(f"SUPPORT2: {train.num_rows:,} rows to learn from, {holdout.num_rows:,} held out")
    synth = fit(train, _GENERATOR, schema=schema, seed=seed)
    synth.save(out / "model.jsynth")
    console.print(f"sampling {_ROWS:,} rows, auditing and evaluating them")
    synth.write(out / "synthetic.parquet", _ROWS, seed=seed)
    synthetic = pq.ParquetFile(out / "synthetic.parquet").read()
    audited = audit(synthetic, train=train, holdout=holdout, schema=schema, seed=seed)
    scores = evaluate(synthetic, train=train, holdout=holdout, schema=schema, seed=seed)
    audited.save(out / "audit.json")
    scores.save(out / "quality.json")
    report(audit=audited, quality=scores, title="SUPPORT2, synthetic").save(out / "report.html")
    _print(synth, audited, scores, out, time.perf_counter() - started)


def split(table: pa.Table, seed: int) -> tuple[pa.Table, pa.Table]:
    """A seeded split into training and holdout rows."""
    order = np.random.default_rng(seed).permutation(table.num_rows)
    cut = int(table.num_rows * (1 - _HOLDOUT))
    return table.take(np.sort(order[:cut])), table.take(np.sort(order[cut:]))


def _print(synth: Synthesizer, audited: AuditReport, scores: QualityReport, out: Path, seconds: float) -> None:
    table = Table(title="What was found", title_justify="left")
    for heading in ("", "synthetic", "real vs real"):
        table.add_column(heading)
    for r in audited.results:
        low_high = f"[{r.low:.4g}, {r.high:.4g}]"
        table.add_row(f"{r.title}: {r.verdict}", f"{r.estimate:.4g} {low_high}", f"{r.baseline:.4g}")
    table.add_row("column shape error", f"{scores.shape_error:.2%}", f"{scores.shape_floor:.2%}")
    table.add_row("pair trend error", f"{scores.trend_error:.2%}", f"{scores.trend_floor:.2%}")
    table.add_row("detection AUC (0.5 is ideal)", f"{scores.detection:.3f}", f"{scores.detection_floor:.3f}")
    if scores.utility is not None:
        u = scores.utility
        table.add_row(f"{u.target}: {u.metric} trained on", f"{u.synthetic:.3f}", f"{u.real:.3f}")
    console = Console()
    console.print(table)
    console.print(f"{synth.history.steps} training steps ({synth.history.stopped}); {seconds:.0f} s in all")
    for name in ("report.html", "synthetic.parquet", "model.jsynth", "audit.json", "quality.json"):
        console.print(f"  {out / name}", soft_wrap=True, highlight=False)
