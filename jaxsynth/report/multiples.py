"""Small multiples: one column's distribution in the training, holdout and synthetic table."""

from __future__ import annotations

from jaxsynth.quality.result import Marginal
from jaxsynth.report.svg import Markup, Scale, join, line, picture, polyline, short, tag, ticks, words

_WIDTH = 264.0
_HEIGHT = 136.0
_ROW = 17.0
_NAMES = 104.0  # pixels for level names
_CHARACTERS = 14


def marginal_chart(marginal: Marginal) -> Markup:
    """Draw a histogram for numbers and times, a dot plot for levels."""
    return _histogram(marginal) if marginal.edges else _dots(marginal)


def _label(marginal: Marginal) -> str:
    return f"Distribution of {marginal.name} in training, holdout and synthetic rows"


def _histogram(m: Marginal) -> Markup:
    y = Scale(0, _peak(m) * 1.05, _HEIGHT - 20, 8)
    x = Scale(0, len(m.train), 34, _WIDTH - 6)
    filled = [(x(0), y(0)), *_steps(m.train, x, y), (x(len(m.train)), y(0))]
    return picture(
        _WIDTH,
        _HEIGHT,
        *_share_axis(x, y),
        polyline(filled, class_="area train"),
        polyline(_steps(m.holdout, x, y), class_="line thin holdout"),
        polyline(_steps(m.synthetic, x, y), class_="line thin synthetic"),
        line(x.start, y(0), x.stop, y(0), class_="axis"),
        *_edge_labels(m, x, y),
        label=_label(m),
        class_="chart fit",
    )


def _peak(m: Marginal) -> float:
    return max((*m.train, *m.holdout, *m.synthetic), default=0.0) or 1.0


def _steps(shares: tuple[float, ...], x: Scale, y: Scale) -> list[tuple[float, float]]:
    return [(x(i + end), y(s)) for i, s in enumerate(shares) for end in (0, 1)]


def _share_axis(x: Scale, y: Scale) -> list[Markup]:
    parts = []
    for value in ticks(0.0, y.high, 3):
        parts.append(line(x.start, y(value), x.stop, y(value), class_="grid"))
        parts.append(words(x.start - 4, y(value) + 3.5, f"{value * 100:g}%", anchor="end", class_="small"))
    return parts


def _edge_labels(m: Marginal, x: Scale, y: Scale) -> list[Markup]:
    """Label the first, middle and last edge; bin i + 1 starts at edge i, the outer bins are open."""
    last = len(m.edges) - 1
    chosen = {0: "start", last // 2: "middle", last: "end"} if last > 3 else {0: "start", last: "end"}
    parts = []
    for i, anchor in chosen.items():
        at = x(i + 1)
        parts.append(line(at, y(0), at, y(0) + 4, class_="axis"))
        shift = {"start": -10.0, "end": 10.0}.get(anchor, 0.0)
        parts.append(words(at + shift, y(0) + 15, m.labels[i], anchor=anchor, class_="small"))
    return parts


def _dots(m: Marginal) -> Markup:
    height = _ROW * len(m.labels) + 26
    x = Scale(0, _peak(m), _NAMES + 6, _WIDTH - 12)
    bottom = height - 20
    parts = []
    for value in ticks(0.0, x.high, 3):
        parts.append(line(x(value), 2, x(value), bottom, class_="grid"))
        parts.append(words(x(value), bottom + 14, f"{value * 100:g}%", anchor="middle", class_="small"))
    rows = zip(m.labels, m.train, m.holdout, m.synthetic, strict=True)
    for i, (name, train, holdout, synthetic) in enumerate(rows):
        parts.append(_dot_row(name, (x(train), x(holdout), x(synthetic)), x.start, 4 + _ROW * (i + 0.5)))
    return picture(_WIDTH, height, *parts, label=_label(m), class_="chart fit")


def _dot_row(name: str, at: tuple[float, float, float], left: float, y: float) -> Markup:
    train, holdout, synthetic = at
    full = tag("title", name)
    text = tag(
        "text", full, short(name or "(empty)", _CHARACTERS), x=left - 6, y=y + 3.5, text_anchor="end",
        class_="small",
    )  # fmt: skip
    diamond = f"M{holdout:.1f} {y - 4.5:.1f}l4.5 4.5l-4.5 4.5l-4.5-4.5z"
    return join(
        [
            text,
            tag("rect", x=left, y=y - 4, width=max(train - left, 0.5), height=8, class_="bar train"),
            tag("path", d=diamond, class_="mark holdout"),
            tag("circle", cx=synthetic, cy=y, r=3.2, class_="dot synthetic"),
        ]
    )
