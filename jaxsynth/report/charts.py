"""Charts of an audit: nearest-neighbour curves and the interval of each excess; and of column errors."""

from __future__ import annotations

from jaxsynth.audit.result import AuditResult, DistanceCurve
from jaxsynth.report.svg import Markup, Scale, axes, join, line, picture, polyline, tag, words

_CURVE = (540.0, 320.0)
_SHOWN = 0.99  # the upper end of the distributions sets no scale: one outlier would squeeze all the rest
_TITLES = {
    "dcr": ("Distance to the closest training row", "distance"),
    "nndr": ("Nearest over second-nearest distance", "ratio"),
}


def curve_title(curve: DistanceCurve) -> str:
    """Name a curve for people."""
    return _TITLES.get(curve.name, (curve.name, ""))[0]


def curve_chart(curve: DistanceCurve) -> Markup:
    """Empirical distribution functions, synthetic (solid) and holdout (dashed).

    A synthetic curve that starts left of the holdout's has rows nearer to training rows than real rows are.
    """
    width, height = _CURVE
    low, high = _domain(curve)
    x, y = Scale(low, high, 62, width - 14), Scale(0, 1, height - 46, 30)
    title, label = _TITLES.get(curve.name, (curve.name, curve.name))
    return picture(
        width,
        height,
        axes(x, y, x_label=label, y_label="share of rows at or below"),
        _legend(62, 14),
        polyline(_points(curve.holdout, curve.probs, x, y), class_="line holdout"),
        polyline(_points(curve.synthetic, curve.probs, x, y), class_="line synthetic"),
        label=f"{title}: cumulative share of synthetic and of holdout rows",
        class_="chart fit",
    )


def _domain(curve: DistanceCurve) -> tuple[float, float]:
    shown = [
        v for s in (curve.synthetic, curve.holdout) for v, p in zip(s, curve.probs, strict=True) if p <= _SHOWN
    ]
    high = max(shown, default=1.0)
    return 0.0, high if high > 0 else 1.0


def _points(values: tuple[float, ...], probs: tuple[float, ...], x: Scale, y: Scale) -> list[tuple[float, float]]:
    inside = [(x(v), y(p)) for v, p in zip(values, probs, strict=True) if v <= x.high]
    return [(x(values[0]), y(0)), *inside] if inside else []


def _legend(x: float, y: float) -> Markup:
    parts = []
    for i, (name, text) in enumerate((("synthetic", "synthetic rows"), ("holdout", "holdout rows (real)"))):
        left = x + 140 * i
        parts.append(line(left, y, left + 26, y, class_=f"line {name}"))
        parts.append(words(left + 32, y + 4, text))
    return join(parts)


def interval_chart(result: AuditResult) -> Markup:
    """Draw the excess with its interval, zero, and the smallest detectable excess (dashed)."""
    width, height = 116.0, 26.0
    ends = (result.excess_low, result.excess_high, result.detectable, 0.0)
    reach = max(*(abs(e) for e in ends), 1e-6) * 1.1
    x = Scale(-reach, reach, 4, width - 4)
    middle = height / 2
    return picture(
        width,
        height,
        line(x(0), 3, x(0), height - 3, class_="axis"),
        line(x(result.detectable), 3, x(result.detectable), height - 3, class_="limit"),
        line(x(result.excess_low), middle, x(result.excess_high), middle, class_="interval"),
        tag("circle", cx=x(result.excess), cy=middle, r=4, class_="dot synthetic"),
        label=f"{result.title}: excess over real-vs-real with its interval",
    )


def error_chart(error: float | None, floor: float | None, scale: float) -> Markup:
    """Draw one error as a bar and its floor as a tick, on [0, scale]."""
    width, height = 140.0, 14.0
    x = Scale(0, scale, 1, width - 2)
    bar = tag("rect", x=1, y=3, width=x(error) - 1, height=8, class_="bar synthetic") if error else ""
    mark = line(x(floor), 0, x(floor), height, class_="floor") if floor is not None else ""
    shown = "not defined" if error is None else f"{error:.3f}"
    base = "not defined" if floor is None else f"{floor:.3f}"
    return picture(width, height, bar, mark, label=f"error {shown}, real-vs-real floor {base}")
