"""Generators whose copying screens all pass, and which still give away who was in the training table.

    python -m benchmarks.dcr_delusion [--cases made,over-fitted,regular] [--shadows 0] [--data DIR] [-o FILE]

Yao et al. (2025, "The DCR delusion", arXiv:2505.01524) showed that tables which pass distance screens remain open
to membership inference. Two ways to get there, both with a filter on distances, as vendors use them: rows that lie
nearer to a training row than training rows lie to each other are not released.

* made: patients in 12 numbers, a fifth of them five times as far out as the others. The generator knows the means
  and covariances of both groups, and has memorised the outlying patients: 4 % of its release, which is ten rows a
  training row, are outlying training rows moved by a fifth of their distance to the next one. Usual patients lie
  as near to each other, so no percentile over all rows shows it.
* over-fitted: `js.Autoregressive` on 2,000 rows of MAGIC for 800 steps without dropout, weight decay or early
  stopping, as it is and behind filters.
* regular: the same generator as it comes, to see what the filter gives away by itself: the empty space that it
  leaves is around training rows.

Measured on 2026-11-26 by `python -m benchmarks.dcr_delusion` (likelihood ratios: `--cases over-fitted --shadows
8`), two cores of an AMD EPYC virtual machine, jax 0.10.2, 4,000 holdout rows. AUC: excess over that of real rows;
TPR: at 1 % false positives.

* made, three seeds: all five screens pass. Density ratio: TPR 19 to 20 % (unseen rows .8 to 1.4 %); classifier:
  AUC +.23 to +.25, TPR 21 to 23 %. By tenths of outlyingness, screens do fail in the two outermost.
* over-fitted, no filter: dcr and dcr_share fail. Classifier: AUC +.117; LiRA: AUC +.108, TPR 5.0 % (2.2 %).
* over-fitted, filter at 10 %: only dcr_share fails of the screens. Classifier: AUC +.083; LiRA: AUC +.052.
* over-fitted, filter at 30 %: all five pass. Classifier: AUC +.114; no high TPR, and LiRA finds nothing.
* regular: dcr_share fails without a filter, nothing behind those at 10 and 30 %. Classifier: AUC +.047, +.056 and
  +.101: the filter takes the leak out of the screens' sight and adds one of its own.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

import jaxsynth as js
from benchmarks.machine import describe
from jaxsynth.shadows import shadows

COPYING = ("exact_copies", "near_copies", "dcr", "nndr", "dcr_share")
ROWS = 2000
COLUMNS, OUTLYING, SCALE = 12, 0.2, 5.0
MEMORISED, MOVED, RELEASED = 0.04, 0.2, 10 * ROWS
FITTED = {
    "over-fitted": js.Autoregressive(
        networks=1, dropout=0.0, weight_decay=0.0, validation=0.0, epochs=1, min_steps=800
    ),
    "regular": js.Autoregressive(),
}
_AT_ONCE = 10 * ROWS
Floats = NDArray[np.float64]


def main() -> None:
    arguments = _arguments()
    result: dict[str, Any] = {"machine": describe()}
    if "made" in arguments.cases:
        result |= dict(made(seed) for seed in range(3))
    for name, generator in FITTED.items():
        if name in arguments.cases:
            result |= dict(fitted(name, generator, arguments.data, arguments.shadows))
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    arguments.out.write_text(json.dumps(result, indent=1) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--cases", default="made,over-fitted,regular")
    parser.add_argument("--shadows", type=int, default=0, help="shadow generators, for likelihood ratios")
    parser.add_argument("--data", type=Path, default=Path("../shared/data/tabular"))
    parser.add_argument("-o", "--out", type=Path, default=Path("build/dcr_delusion.json"))
    return parser.parse_args()


@dataclass(frozen=True, kw_only=True, eq=False)
class Filter:
    """Which generated rows are released.

    Attributes:
        train: the training rows.
        schema: their columns.
        distance: the least distance to a training row.
        ratio: the least ratio of the distances to the two nearest.
    """

    train: pa.Table
    schema: js.Schema
    distance: float
    ratio: float

    @classmethod
    def of(cls, train: pa.Table, schema: js.Schema, distance: float, ratio: float) -> Filter:
        """As near as these shares of the training rows lie to one another."""
        near = js.neighbours(train, train, 2, schema=schema, exclude_self=True).distances
        return cls(
            train=train,
            schema=schema,
            distance=float(np.quantile(near[:, 0], distance)),
            ratio=float(np.quantile(_ratios(near), ratio)),
        )

    def passed(self, rows: pa.Table) -> NDArray[np.int64]:
        """Positions of the rows that may be released."""
        near = js.neighbours(self.train, rows, 2, schema=self.schema).distances
        return np.flatnonzero((near[:, 0] >= self.distance) & (_ratios(near) >= self.ratio))


def _ratios(near: Floats) -> Floats:
    return np.divide(near[:, 0], near[:, 1], out=np.ones(len(near)), where=near[:, 1] > 0)


def made(seed: int) -> tuple[str, Any]:
    """The memorising generator of made patients."""
    rng = np.random.default_rng([seed, 1])
    train, holdout = (patients(n, rng) for n in (ROWS, 2 * ROWS))
    schema = js.Schema.infer(_table(train))
    released = _table(memorising(train, schema, rng))
    return verdicts(f"made, seed {seed}", released, _table(train), _table(holdout), schema)


def patients(n: int, rng: np.random.Generator) -> Floats:
    """Independent normal columns, of one scale in usual and of a larger one in outlying patients."""
    scale = np.where(rng.random((n, 1)) < OUTLYING, SCALE, 1.0)
    return rng.normal(size=(n, COLUMNS)) * scale


def memorising(train: Floats, schema: js.Schema, rng: np.random.Generator) -> Floats:
    """Rows by the means and covariances of both groups, filtered, and outlying training rows that were moved."""
    table = _table(train)
    near = js.neighbours(table, table, 2, schema=schema, exclude_self=True)
    outlying = near.distances[:, 1] > np.quantile(near.distances[:, 1], 1 - OUTLYING)
    copies = round(MEMORISED * RELEASED)
    of = np.resize(rng.permutation(np.flatnonzero(outlying)), copies)
    next_one = train[near.rows[of, 0]]
    step = rng.normal(size=(copies, COLUMNS))
    length = MOVED * np.linalg.norm(train[of] - next_one, axis=1) / np.linalg.norm(step, axis=1)
    learned = _learned(
        [train[~outlying], train[outlying]], RELEASED - copies, Filter.of(table, schema, 0.1, 0.05), rng
    )
    return np.concatenate([learned, train[of] + length[:, None] * step])


def _learned(groups: list[Floats], n: int, kept: Filter, rng: np.random.Generator) -> Floats:
    rows = np.empty((0, COLUMNS))
    while len(rows) < n:
        drawn = [rng.multivariate_normal(g.mean(axis=0), np.cov(g.T), _AT_ONCE) for g in groups]
        mixed = np.where(rng.random((_AT_ONCE, 1)) < OUTLYING, drawn[1], drawn[0])
        rows = np.concatenate([rows, mixed[kept.passed(_table(mixed))]])
    return rows[:n]


def _table(rows: Floats) -> pa.Table:
    return pa.table({f"n{i}": pa.array(x) for i, x in enumerate(rows.T)})


def fitted(name: str, generator: js.Autoregressive, data: Path, n_shadows: int) -> Iterator[tuple[str, Any]]:
    """A generator of this library on a real table, and what of its rows a filter releases."""
    real = js.nan_to_null(data / "magic_train.parquet")
    order = np.random.default_rng(0).permutation(real.num_rows)
    train, holdout = real.take(order[:ROWS]), real.take(order[ROWS : 3 * ROWS])
    schema = js.Schema.infer(real)  # shadows see holdout rows as well
    seen = shadows(train, holdout, generator, schema=schema, n=n_shadows) if n_shadows else None
    rows = js.fit(train, generator, schema=schema, seed=0, progress=False).sample(6 * ROWS, seed=1)
    yield verdicts(f"{name}, no filter", rows.slice(0, 2 * ROWS), train, holdout, schema, seen)
    for share in (0.1, 0.3):
        passed = Filter.of(train, schema, share, 0.05).passed(rows)
        released = rows.take(passed[: 2 * ROWS])
        yield verdicts(f"{name}, filter at {share:.0%}", released, train, holdout, schema, seen)


def verdicts(
    name: str, released: pa.Table, train: pa.Table, holdout: pa.Table, schema: js.Schema, seen: Any = None
) -> tuple[str, Any]:
    """Audit a release; print and return what each screen and each attack says."""
    report = js.audit(
        released, train=train, holdout=holdout, schema=schema, audits=["copies", "membership"], shadows=seen
    )
    figures = {
        r.name: {
            "verdict": r.verdict,
            "estimate": r.estimate,
            "baseline": r.baseline,
            "excess": [r.excess, r.excess_low, r.excess_high],
        }
        for r in report.results
    }
    screens = {r.verdict for r in report.results if r.name in COPYING}
    attacks = [r for r in report.results if r.name not in COPYING]
    tenths = sorted(
        {g.group for g in report.groups for r in g.results if r.name in COPYING and r.verdict == "fail"}
    )
    print(f"\n{name}: {released.num_rows} rows; copying screens: {', '.join(sorted(screens))}")
    for r in report.results:
        print(f"  {r.name:32s} {r.estimate:8.4f}  real {r.baseline:8.4f}  excess {r.excess:+8.4f}  {r.verdict}")
    print(f"  screens that fail in a tenth of outlyingness: {', '.join(tenths) or 'none'}", flush=True)
    found = {"screens": sorted(screens), "attacks that succeed": [r.name for r in attacks if r.verdict == "fail"]}
    return name, {**found, "tenths in which a screen fails": tenths, "figures": figures}


if __name__ == "__main__":
    main()
