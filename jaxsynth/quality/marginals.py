"""Histograms and level shares for charts: coarse on purpose, so that no individual's value is printed."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import pyarrow as pa

from jaxsynth.quality.frames import Codes, Floats, Frames
from jaxsynth.quality.result import Marginal
from jaxsynth.schema.column import Column

TOP = 12  # levels shown; the rest are summed as "other"
_INNER_BINS = 24  # before rounding; with rounding and the outer bins never more than 30
_DECIMALS = 4  # of shares
_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def marginals(frames: Frames) -> tuple[Marginal, ...]:
    """One marginal a column, in schema order, without columns that have no value in the training table."""
    made = [_numeric(c, frames) if c.is_numeric else _levels(c, frames) for c in frames.columns]
    return tuple(m for m in made if m is not None)


def _levels(column: Column, frames: Frames) -> Marginal | None:
    names = frames.levels[column.name]
    tables = (frames.train, frames.holdout, frames.synthetic)
    shares = [_level_shares(t.codes[column.name], len(names)) for t in tables]
    if not shares[0].any():
        return None
    top = np.argsort(-shares[0], kind="stable")[:TOP]
    if column.kind == "ordinal":
        top = np.sort(top)
    labels = tuple(names[i] for i in top)
    rest = len(names) > TOP
    bars = [_shown([*s[top], 1.0 - s[top].sum()] if rest else list(s[top])) for s in shares]
    return Marginal(
        name=column.name, kind=column.kind, labels=(*labels, "other") if rest else labels, edges=(),
        train=bars[0], holdout=bars[1], synthetic=bars[2],
    )  # fmt: skip


def _level_shares(codes: Codes, size: int) -> Floats:
    counts = np.bincount(codes[codes >= 0], minlength=size)
    return np.asarray(counts / max(int(counts.sum()), 1), np.float64)


def _numeric(column: Column, frames: Frames) -> Marginal | None:
    values = frames.train.numbers[column.name]
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = (float(q) for q in np.quantile(values, [0.01, 0.99]))
    edges = coarse_edges(low, high, unit=_grain(column))
    tables = (frames.train, frames.holdout, frames.synthetic)
    bars = [_shown(list(_bin_shares(t.numbers[column.name], edges))) for t in tables]
    return Marginal(
        name=column.name, kind=column.kind, labels=tuple(_edge_text(column, e) for e in edges),
        edges=tuple(float(e) for e in edges), train=bars[0], holdout=bars[1], synthetic=bars[2],
    )  # fmt: skip


def _bin_shares(cells: Floats, edges: Floats) -> Floats:
    bins = np.digitize(cells[~np.isnan(cells)], edges)
    counts = np.bincount(bins, minlength=len(edges) + 1)
    return np.asarray(counts / max(len(bins), 1), np.float64)


def _shown(shares: list[float]) -> tuple[float, ...]:
    return tuple(max(round(float(s), _DECIMALS), 0.0) for s in shares)


def _grain(column: Column) -> float:
    """Return the unit bin widths are multiples of: a day for dates, else the resolution; 0: none."""
    if column.kind in ("date", "datetime"):
        return _ticks_per_second(column.arrow_type) * 86_400
    if column.kind == "duration":
        return _ticks_per_second(column.arrow_type)
    return column.resolution or (1.0 if column.kind == "integer" else 0.0)


def coarse_edges(low: float, high: float, *, unit: float = 0.0) -> Floats:
    """Round edges that cover [low, high] in at most 26 bins, each 1, 2 or 5 times a power of ten wide.

    Args:
        low: an outer quantile of the values.
        high: the opposite one, not below `low`.
        unit: bins are at least this wide and whole multiples of it; 0 for any width.

    Returns:
        float64 (k,), increasing, 2 <= k <= 27; the first is <= low, the last is > high.

    Example:
        >>> coarse_edges(18.2, 96.9).tolist()[:3]
        [15.0, 20.0, 25.0]
    """
    spread = (high - low) / _INNER_BINS
    if spread <= max(1e-9 * max(abs(low), abs(high)), 1e-100):
        # (Nearly) all values are equal: one wide bin around them.
        size = max(abs(low), abs(high))
        spread = size / 10 if size > 1e-100 else 1.0
    base = unit if unit and spread <= unit else _nice(spread / (unit or 1.0)) * (unit or 1.0)
    first, last = math.floor(low / base), math.floor(high / base) + 1
    edges = np.arange(first, last + 1) * base
    # Products like 3 * 0.1 miss the decimal they stand for; this puts it right without joining edges.
    return np.asarray(np.round(edges, 12) if base > 1e-9 else edges, np.float64)


def _nice(step: float) -> float:
    """Find the smallest of 1, 2, 5 times a power of ten that is >= step."""
    power = 10.0 ** math.floor(math.log10(step))
    return next((float(f * power) for f in (1, 2, 5) if f * power >= step * (1 - 1e-9)), 10 * power)


def _ticks_per_second(type_: pa.DataType) -> float:
    if pa.types.is_date32(type_):
        return 1 / 86_400
    return float(_PER_SECOND[getattr(type_, "unit", "ms")])


def _edge_text(column: Column, edge: float) -> str:
    if column.kind in ("date", "datetime"):
        return _date_text(edge / _ticks_per_second(column.arrow_type))
    if column.kind == "duration" and (
        pa.types.is_duration(column.arrow_type) or pa.types.is_time(column.arrow_type)
    ):
        return _duration_text(edge / _ticks_per_second(column.arrow_type))
    return f"{edge:,.0f}" if float(edge).is_integer() and abs(edge) < 1e6 else f"{edge:.6g}"


def _date_text(seconds: float) -> str:
    try:
        return (dt.datetime(1970, 1, 1) + dt.timedelta(seconds=seconds)).date().isoformat()
    except OverflowError:  # before year 1 or after 9999
        return f"{seconds / 86_400:.6g} days"


def _duration_text(seconds: float) -> str:
    for size, name in ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min")):
        if abs(seconds) >= size:
            return f"{seconds / size:.4g} {name}"
    return f"{seconds:.4g} s"
