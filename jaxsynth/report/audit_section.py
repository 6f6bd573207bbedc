"""The audit part of the page: the table of attacks and screens, the self-test and the nearest-neighbour curves."""

from __future__ import annotations

from jaxsynth.audit.result import AuditReport, AuditResult, DistanceCurve, VulnerableRecord
from jaxsynth.report.charts import curve_chart, curve_title, interval_chart
from jaxsynth.report.groups_section import BADGES, badge, excess_text, groups_tables
from jaxsynth.report.svg import Markup, join, tag

_VULNERABLE = ("training row", "mean distance", "membership score's percentile among unseen rows")
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


def audit_section(audit: AuditReport) -> Markup:
    """Build the section with all attacks and copying screens."""
    parts = [
        tag("h2", "What the synthetic rows give away", id="audit"),
        tag(
            "p",
            tag("strong", "Internal: for the owner of the data, not for release. "),
            "Figures and row numbers below were read off the training rows, and no privacy budget was charged. "
            "Attacks and screens show leaks; passing them is no guarantee of privacy.",
            class_="warning",
        ),
        tag("div", _table(audit), class_="scroll", tabindex="0", role="region", aria_label="Attacks and screens"),
        tag(
            "p",
            "pass: no excess of practical size was found, and one would have been. fail: more is given away of "
            "training rows than of real rows that the generator has not seen. underpowered: nothing was found, "
            "but there are too few rows for that to say much. In the small charts the upright line is zero (no "
            "excess), the dot with its bar the excess and its interval, the dashed line the smallest excess that "
            "would have been found.",
            class_="muted",
        ),
        _threats(audit),
        *_self_test(audit),
        *groups_tables(audit.groups),
        *_vulnerable(audit),
    ]
    if audit.curves:
        parts += [tag("h3", "Nearest training rows"), tag("div", *map(_figure, audit.curves), class_="pair")]
    return tag("section", *parts, aria_labelledby="audit")


def _threats(audit: AuditReport) -> Markup:
    """What each attacker has, knows and wants; many figures share one."""
    found = list(dict.fromkeys(r.threat for r in audit.results))
    return tag("details", tag("summary", "Threat models"), tag("ul", *(tag("li", t) for t in found)))


def _self_test(audit: AuditReport) -> list[Markup]:
    if audit.self_test is None:
        return []
    test = audit.self_test
    found = f"found by {', '.join(test.found)}" if test.found else "not found by any screen"
    text = (
        f"{test.rows:,} copies of training rows ({test.share:.2%}) were planted among the synthetic rows: {found}."
    )
    return [tag("h3", "Self-test"), tag("p", text)]


def _vulnerable(audit: AuditReport) -> list[Markup]:
    """Rows that an attacker would try first."""
    if not audit.vulnerable:
        return []
    caption = "The most outlying training rows, by their mean distance to the five nearest others. Rows from 0."
    head = tag("thead", tag("tr", *(tag("th", h, scope="col") for h in _VULNERABLE)))
    rows = [
        tag(
            "tr",
            tag("th", f"{v.row:,}", scope="row"),
            tag("td", f"{v.outlyingness:.4g}"),
            tag("td", _suspicion(v)),
        )
        for v in audit.vulnerable
    ]
    table = tag("table", tag("caption", tag("span", caption)), head, tag("tbody", *rows), class_="dense")
    return [tag("details", tag("summary", "Vulnerable records"), table)]


def _suspicion(record: VulnerableRecord) -> str:
    return "not attacked" if record.suspicion is None else f"{record.suspicion:.0f}"


def _figure(curve: DistanceCurve) -> Markup:
    explained = tag("span", _EXPLAINED.get(curve.name, ""))
    return tag("figure", tag("figcaption", curve_title(curve), explained), curve_chart(curve))


def _table(audit: AuditReport) -> Markup:
    heads = ("attack or screen", "verdict", "synthetic", "real-vs-real", "excess", "", "smallest detectable")
    head = tag("thead", tag("tr", *(tag("th", h, scope="col") for h in heads)))
    confidence = f"{audit.results[0].confidence:.0%}" if audit.results else "95%"
    caption = (
        f"Estimates with {confidence} intervals in brackets. Excess: synthetic over real-vs-real; positive is "
        "worse. It is a difference; of distances, relative to the baseline; of attacks on attributes, the share "
        "of what the baseline left to succeed."
    )
    rows = tag("tbody", *map(_row, audit.results))
    return tag("table", tag("caption", tag("span", caption)), head, rows, class_="wide")


def _row(result: AuditResult) -> Markup:
    show = excess_text(result)
    limits = f"[{show(result.excess_low)}, {show(result.excess_high)}]"
    return tag(
        "tr",
        tag("th", result.title, tag("small", result.question), scope="row"),
        tag("td", badge(result.verdict)),
        _estimate(result, result.estimate, result.low, result.high, result.n),
        _estimate(result, result.baseline, result.baseline_low, result.baseline_high, result.n_baseline),
        tag("td", show(result.excess), tag("small", limits)),
        tag("td", interval_chart(result)),
        tag("td", show(result.detectable).lstrip("+")),
    )


def _estimate(result: AuditResult, value: float, low: float, high: float, n: int) -> Markup:
    show = "{:.2%}".format if result.is_share else "{:.4g}".format
    return tag("td", show(value), tag("small", f"[{show(low)}, {show(high)}]"), tag("small", f"n = {n:,}"))


def audit_tile(audit: AuditReport) -> Markup:
    """Summarise the verdicts in one tile."""
    verdicts = [r.verdict for r in audit.results]
    worst = next((v for v in ("fail", "underpowered", "pass") if v in verdicts), "none")
    counts = ", ".join(f"{verdicts.count(v)} {v}" for v in BADGES if v in verdicts)
    return tag(
        "div",
        tag("span", "Attacks and screens", class_="name"),
        tag("b", join([badge(worst)])),
        tag("span", counts or "none"),
        class_="tile",
    )
