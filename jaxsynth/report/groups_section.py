"""Figures of groups of patients as one table a breakdown: a line a figure, a column a group."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from jaxsynth.audit.result import AuditResult, GroupAudit
from jaxsynth.report.svg import Markup, tag

BADGES = {"pass": "✓ pass", "fail": "✕ fail", "underpowered": "? underpowered"}
_SIGNS = {"pass": "✓", "fail": "✕", "underpowered": "?"}


def badge(verdict: str) -> Markup:
    """Show a verdict as a coloured word with a sign, so that it can be read without colour."""
    return tag("span", BADGES.get(verdict, verdict), class_=f"badge {verdict}" if verdict in BADGES else "badge")


def excess_text(result: AuditResult) -> Callable[[float], str]:
    """How an excess of this result is written: points of a share, per cent of something, or a plain number."""
    if result.excess_kind != "difference":
        return lambda x: f"{x:+.1%}"
    return (lambda x: f"{100 * x:+.2f} pp") if result.is_share else (lambda x: f"{x:+.3f}")


def groups_tables(groups: Sequence[GroupAudit]) -> list[Markup]:
    """A folded table for each breakdown that has any figure."""
    breakdowns = [(by, list(found)) for by, found in groupby(groups, key=lambda g: g.by)]
    return [_breakdown(by, found) for by, found in breakdowns if any(g.results for g in found)]


def _breakdown(by: str, groups: list[GroupAudit]) -> Markup:
    titles = list({r.name: r.title for g in groups for r in g.results}.items())
    found = [{r.name: r for r in g.results} for g in groups]
    heads = [tag("th", "attack or screen", scope="col"), *(tag("th", g.group, scope="col") for g in groups)]
    rows = [
        tag("tr", tag("th", title, scope="row"), *(_cell(results.get(name)) for results in found))
        for name, title in titles
    ]
    failed = sum(r.verdict == "fail" for g in groups for r in g.results)
    caption = "Verdict and excess in each group. Limits behind the verdicts cover all groups of a line together."
    table = tag(
        "table",
        tag("caption", tag("span", caption)),
        tag("thead", tag("tr", *heads)),
        tag("tbody", *rows),
        class_="dense",
    )
    summary = f"By {by}: {failed} of {sum(len(g.results) for g in groups)} figures fail"
    region = tag("div", table, class_="scroll", tabindex="0", role="region", aria_label=f"By {by}")
    return tag("details", tag("summary", summary), region)


def _cell(result: AuditResult | None) -> Markup:
    if result is None:
        return tag("td", "few rows", class_="muted")
    sign = tag("span", _SIGNS.get(result.verdict, result.verdict), class_=f"badge {result.verdict}")
    return tag(
        "td", sign, tag("small", excess_text(result)(result.excess)), title=f"{result.verdict}, n = {result.n:,}"
    )
