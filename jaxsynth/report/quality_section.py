"""The quality part of the page: summary, columns, pairs, distributions, rules."""

from __future__ import annotations

from jaxsynth.quality.result import ColumnScore, Marginal, QualityReport
from jaxsynth.report.charts import error_chart
from jaxsynth.report.heatmap import LIMIT, heat_columns, heat_map
from jaxsynth.report.multiples import marginal_chart
from jaxsynth.report.svg import Markup, tag

CHARTS = 120  # distributions drawn; the file stays small with thousands of columns


def quality_sections(quality: QualityReport) -> list[Markup]:
    """Build every quality section, those without content left out."""
    sections = [_summary(quality), _columns(quality)]
    if quality.pairs:
        sections.append(_pairs(quality))
    if quality.marginals:
        sections.append(_marginals(quality))
    return sections


def _summary(quality: QualityReport) -> Markup:
    floor = quality.detection_floor
    q = quality
    rows = [
        _figures("Column shapes", "mean error of single columns; 0 is best", q.shape_error, q.shape_floor),
        _figures("Pair trends", "mean error over all pairs; 0 is best", q.trend_error, q.trend_floor),
        _figures(
            "Pair trends, associated columns",
            "mean error over the pairs clearly associated in the training rows",
            q.strong_trend_error,
            q.strong_trend_floor,
        ),
        _figures("Detection from holdout rows", "ROC AUC of boosted trees; 0.5 is ideal", q.detection, floor),
        _figures(
            "Detection from training rows",
            "ROC AUC; well below 0.5 hints at copied rows",
            q.detection_train,
            floor,
        ),
    ]
    if quality.utility is not None:
        u = quality.utility
        about = (
            "ROC AUC on holdout rows; 0.5: no skill" if u.metric == "auc" else "R² on holdout rows; 0: no skill"
        )
        rows.append(
            _figures(
                f"Predicting {u.target}",
                f"trained on synthetic, and on real rows: {about}",
                u.synthetic,
                u.real,
            )
        )
    rows += [
        _figures(f"Breaks the rule {rule}", "share of rows, synthetic and training", a, b)
        for rule, (a, b) in quality.violations.items()
    ]
    table = _table(
        "Every figure beside what real rows score: the holdout in place of the synthetic table.",
        ("", "synthetic", "real"),
        rows,
    )
    return tag("section", tag("h2", "Quality", id="quality"), table, aria_labelledby="quality")


def _table(caption: str, heads: tuple[str, ...], rows: list[Markup], *, dense: bool = False) -> Markup:
    numeric = {"synthetic", "real", "error", "floor", "missing", "missing, real"}
    head = [tag("th", h, scope="col", class_="number" if h in numeric else None) for h in heads]
    table = tag(
        "table",
        tag("caption", tag("span", caption)),
        tag("thead", tag("tr", *head)),
        tag("tbody", *rows),
        class_="dense" if dense else None,
    )
    return tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _figures(name: str, about: str, synthetic: float | None, real: float | None) -> Markup:
    return tag(
        "tr",
        tag("th", name, tag("small", about), scope="row"),
        tag("td", figure(synthetic), class_="number"),
        tag("td", figure(real), class_="number"),
    )


def figure(value: float | None) -> str:
    """Write a figure to three decimals; a dash if it is not defined."""
    return "–" if value is None else f"{value:.3f}"


def _by_excess(score: ColumnScore) -> float:
    return -((score.error or 0.0) - (score.floor or 0.0))


def _columns(quality: QualityReport) -> Markup:
    scale = max((v for c in quality.columns for v in (c.error, c.floor) if v is not None), default=0.0) or 1.0
    rows = [_column_row(c, scale) for c in sorted(quality.columns, key=_by_excess)]
    about = (
        "Kolmogorov-Smirnov distance for numbers and times, total variation distance for levels; the bar is "
        "the synthetic error, the upright mark the real-vs-real floor. Missing: share of missing cells minus "
        "the training table's, in percentage points."
    )
    heads = ("column", "kind", "error", "floor", f"0 to {scale:.3f}", "missing", "missing, real")
    table = _table("Columns by error above the floor, worst first.", heads, rows, dense=True)
    return tag(
        "section",
        tag("h2", "Columns", id="columns"),
        tag("p", about, class_="muted"),
        table,
        aria_labelledby="columns",
    )


def _column_row(score: ColumnScore, scale: float) -> Markup:
    return tag(
        "tr",
        tag("th", score.name, scope="row"),
        tag("td", score.kind),
        tag("td", figure(score.error), class_="number"),
        tag("td", figure(score.floor), class_="number"),
        tag("td", error_chart(score.error, score.floor, scale)),
        tag("td", _points(score.missing), class_="number"),
        tag("td", _points(score.missing_real), class_="number"),
    )


def _points(difference: float) -> str:
    return f"{difference * 100:+.2f}" if round(difference, 4) else "0"


def _pairs(quality: QualityReport) -> Markup:
    names = {n for p in quality.pairs for n in (p.left, p.right)}
    shown = heat_columns(quality.pairs)
    about = (
        "Below the diagonal: how far the association of two columns is off in the synthetic table. Above it: "
        "the same for the holdout, which is what chance alone does. The two triangles should look alike. "
        "Hover over a cell for its figures. A number met by a level is cut into ten bins over its own table's "
        "range, as sdmetrics does, so that a single extreme value can make a pair look off, in real rows too."
    )
    worst = sorted(
        (p for p in quality.pairs if p.error is not None), key=lambda p: (p.floor or 0.0) - (p.error or 0.0)
    )
    rows = [_figures(f"{p.left} × {p.right}", p.metric, p.error, p.floor) for p in worst[:8]]
    parts = [tag("h2", "Pairs of columns", id="pairs"), tag("p", about, class_="muted")]
    if len(shown) < len(names):
        parts.append(
            tag(
                "p",
                f"The {LIMIT} of {len(names)} columns with the largest mean error are shown.",
                class_="muted",
            )
        )
    parts.append(
        tag(
            "div",
            heat_map(quality.pairs),
            class_="scroll",
            tabindex="0",
            role="region",
            aria_label="Heat map of pair errors",
        )
    )
    parts += [
        tag("h3", "Largest excess over the floor"),
        _table("Errors of the pairs that are off most.", ("pair", "synthetic", "real"), rows, dense=True),
    ]
    return tag("section", *parts, aria_labelledby="pairs")


def _marginals(quality: QualityReport) -> Markup:
    scores = {c.name: c for c in quality.columns}
    ordered = sorted(quality.marginals, key=lambda m: _by_excess(scores[m.name]) if m.name in scores else 0.0)
    about = (
        "Share of the rows that have a value, worst column first. Bins of numbers are rounded and open at "
        "both ends, so that no single person's value is shown; of many levels the most frequent are shown."
    )
    parts = [tag("h2", "Distributions", id="distributions"), tag("p", about, class_="muted"), key()]
    if len(ordered) > CHARTS:
        parts.append(tag("p", f"The first {CHARTS} of {len(ordered)} columns are drawn.", class_="muted"))
    figures = [_figure(m, scores.get(m.name)) for m in ordered[:CHARTS]]
    return tag("section", *parts, tag("div", *figures, class_="multiples"), aria_labelledby="distributions")


def _figure(marginal: Marginal, score: ColumnScore | None) -> Markup:
    about = (
        marginal.kind
        if score is None
        else f"{marginal.kind}, error {figure(score.error)}, floor {figure(score.floor)}"
    )
    return tag("figure", tag("figcaption", marginal.name, tag("span", about)), marginal_chart(marginal))


def key() -> Markup:
    """Explain the marks of the three tables."""
    marks = (
        ("training rows", tag("rect", x=0, y=3, width=22, height=9, class_="bar train")),
        ("holdout rows (dashed, diamond)", tag("line", x1=0, y1=8, x2=22, y2=8, class_="line holdout")),
        ("synthetic rows (solid, dot)", tag("line", x1=0, y1=8, x2=22, y2=8, class_="line synthetic")),
    )
    items = [tag("span", tag("svg", mark, width=22, height=15, aria_hidden="true"), text) for text, mark in marks]
    return tag("div", *items, class_="key")


def quality_tiles(quality: QualityReport) -> list[Markup]:
    """Summarise the quality in a few tiles."""
    tiles = [
        _tile("Column error", figure(quality.shape_error), f"real-vs-real {figure(quality.shape_floor)}"),
        _tile("Pair error", figure(quality.trend_error), f"real-vs-real {figure(quality.trend_floor)}"),
        _tile(
            "Detection AUC",
            figure(quality.detection),
            f"real-vs-real {figure(quality.detection_floor)}, ideal 0.5",
        ),
    ]
    if quality.utility is not None:
        u = quality.utility
        metric = "AUC" if u.metric == "auc" else "R²"
        tiles.append(
            _tile(f"{metric} for {u.target}", figure(u.synthetic), f"trained on real rows {figure(u.real)}")
        )
    return tiles


def _tile(name: str, value: str, about: str) -> Markup:
    return tag("div", tag("span", name, class_="name"), tag("b", value), tag("span", about), class_="tile")
