"""The audit part of the page: the table of copying screens and the nearest-neighbour curves."""

from __future__ import annotations

from jaxsynth.audit.result import AuditReport, AuditResult, DistanceCurve
from jaxsynth.report.charts import curve_chart, curve_title, interval_chart
from jaxsynth.report.svg import Markup, join, tag

_BADGES = {"pass": "✓ pass", "fail": "✕ fail", "underpowered": "? underpowered"}
_EXPLAINED = {
    "dcr": (
        "How far each row is from its closest training row. If the solid line runs left of the dashed one, "
        "synthetic rows lie closer to training rows than unseen real rows do."
    ),
    "nndr": (
        "Distance to the closest divided by distance to the second-closest training row. Low ratios mean "
        "that one training row is singled out; here, too, the solid line should not run left of the dashed "
        "one."
    ),
}


def badge(verdict: str) -> Markup:
    """Show a verdict as a coloured word with a sign, so that it can be read without colour."""
    return tag("span", _BADGES.get(verdict, verdict), class_=f"badge {verdict}" if verdict in _BADGES else "badge")


def audit_section(audit: AuditReport) -> Markup:
    """Build the section with all copying screens."""
    parts = [
        tag("h2", "Copying screens", id="audit"),
        tag(
            "p",
            tag("strong", "These are screens for copying, not a guarantee of privacy. "),
            "They compare synthetic rows with the training rows, and set each figure beside the same figure "
            "of real rows that the generator has never seen. A table that passes every screen can still "
            "reveal whether a person was in the training data, or an attribute of that person.",
            class_="warning",
        ),
        tag("div", _table(audit), class_="scroll", tabindex="0", role="region", aria_label="Copying screens"),
        tag(
            "p",
            "pass: no excess of practical size was found, and one would have been. fail: synthetic rows are "
            "closer to training rows than real rows are. underpowered: nothing was found, but there are too "
            "few rows for that to say much. In the small charts the upright line is zero (no excess), the "
            "dot with its bar the excess and its interval, the dashed line the smallest excess that would "
            "have been found.",
            class_="muted",
        ),
    ]
    if audit.curves:
        parts += [tag("h3", "Nearest training rows"), tag("div", *map(_figure, audit.curves), class_="pair")]
    return tag("section", *parts, aria_labelledby="audit")


def _figure(curve: DistanceCurve) -> Markup:
    explained = tag("span", _EXPLAINED.get(curve.name, ""))
    return tag("figure", tag("figcaption", curve_title(curve), explained), curve_chart(curve))


def _table(audit: AuditReport) -> Markup:
    heads = ("screen", "verdict", "synthetic", "real-vs-real", "excess", "", "smallest detectable")
    head = tag("thead", tag("tr", *(tag("th", h, scope="col") for h in heads)))
    confidence = f"{audit.results[0].confidence:.0%}" if audit.results else "95%"
    caption = (
        f"Estimates with {confidence} intervals in brackets. Excess: synthetic over real-vs-real; positive is "
        "closer to the training rows."
    )
    rows = tag("tbody", *map(_row, audit.results))
    return tag("table", tag("caption", tag("span", caption)), head, rows, class_="wide")


def _row(result: AuditResult) -> Markup:
    unit = " pp" if result.unit == "share of rows" else "%"
    decimals = 2 if result.unit == "share of rows" else 1
    excess, low, high = (
        f"{v * 100:+.{decimals}f}" for v in (result.excess, result.excess_low, result.excess_high)
    )
    return tag(
        "tr",
        tag("th", result.title, tag("small", result.question), scope="row"),
        tag("td", badge(result.verdict)),
        _estimate(result.unit, result.estimate, result.low, result.high, result.n),
        _estimate(result.unit, result.baseline, result.baseline_low, result.baseline_high, result.n_baseline),
        tag("td", excess + unit, tag("small", f"[{low}, {high}]")),
        tag("td", interval_chart(result)),
        tag("td", f"{result.detectable * 100:.{decimals}f}{unit}"),
    )


def _estimate(unit: str, value: float, low: float, high: float, n: int) -> Markup:
    show = "{:.2%}".format if unit == "share of rows" else "{:.4g}".format
    return tag("td", show(value), tag("small", f"[{show(low)}, {show(high)}]"), tag("small", f"{n:,} rows"))


def audit_tile(audit: AuditReport) -> Markup:
    """Summarise the verdicts in one tile."""
    verdicts = [r.verdict for r in audit.results]
    worst = next((v for v in ("fail", "underpowered", "pass") if v in verdicts), "none")
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in _BADGES if v in verdicts)
    return tag(
        "div",
        tag("span", "Copying screens", class_="name"),
        tag("b", join([badge(worst)])),
        tag("span", counts or "no screens"),
        class_="tile",
    )
