from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from jaxsynth.audit.result import AuditReport
from jaxsynth.errors import AuditError, OutputError
from jaxsynth.quality.result import QualityReport
from jaxsynth.report import report

DATE = dt.date(2026, 1, 31)
_VOID = {"meta", "!doctype"}


class Reader(HTMLParser):
    """Collects tags and attributes, and checks that elements close in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_user_text_is_inert(audit: AuditReport, quality: QualityReport, evil: str) -> None:
    page = Reader(report(audit=audit, quality=quality, title=evil, date=DATE).html)
    assert not {"script", "img", "iframe", "link", "object", "a"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert page.text.count(evil) > 10


def test_the_page_needs_no_network(audit: AuditReport, quality: QualityReport) -> None:
    html = report(audit=audit, quality=quality).html
    assert "default-src 'none'" in html
    assert not re.search(
        r"https?://|url\(|@import|src=", html.replace("<img src=x>", "").replace("&lt;img src=x&gt;", "")
    )


def test_the_same_arguments_give_the_same_page(audit: AuditReport, quality: QualityReport) -> None:
    one, two = (report(audit=audit, quality=quality, date=DATE).html for _ in range(2))
    assert one == two
    assert "2026-01-31" in one


def test_the_header_says_what_was_compared(audit: AuditReport, quality: QualityReport) -> None:
    text = Reader(report(audit=audit, quality=quality).html).text
    for fact in ("1,000", "2,000", "500", "abababababab", "Seed"):
        assert fact in text
    other = Reader(report(audit=audit, quality=replace(quality, n_synthetic=9)).html).text
    assert "1,000 (audit), 9 (quality)" in other


def test_audit_alone(audit: AuditReport) -> None:
    page = Reader(report(audit=audit).html)
    for part in (
        "no guarantee of privacy",
        "not for release",
        "✓ pass",
        "✕ fail",
        "? underpowered",
        "The attacker has",
        "What this report does not show",
    ):
        assert part in page.text
    assert "Pairs of columns" not in page.text


def test_audit_without_curves_or_results(audit: AuditReport) -> None:
    assert "Nearest training rows" in report(audit=audit).html
    assert "Nearest training rows" not in report(audit=replace(audit, curves=())).html
    bare = Reader(
        report(audit=replace(audit, results=(), curves=(), groups=(), self_test=None, vulnerable=())).html
    )
    assert "none" in bare.text
    for part in ("Self-test", "Vulnerable records", "By outlyingness"):
        assert part not in bare.text


def test_an_excess_is_written_as_what_it_is(audit: AuditReport) -> None:
    text = Reader(report(audit=replace(audit, groups=())).html).text
    for part in (
        "+0.50 pp[-2.00 pp, +3.00 pp]",  # a share: points
        "+0.5%[-2.0%, +3.0%]",  # a shortfall, and a residual risk: of what there was
        "+0.005[-0.020, +0.030]",  # an area
    ):
        assert part in text
    assert text.count("+0.5%[-2.0%, +3.0%]") == 2
    assert "+4.00 pp" not in text


def test_groups_are_folded_tables_of_a_line_a_figure(audit: AuditReport, evil: str) -> None:
    text = Reader(report(audit=audit).html).text
    assert f"By {evil}: 1 of 4 figures fail" in text
    assert "By outlyingness: 1 of 1 figures fail" in text
    assert len(re.findall(r"few rows(?! for)", text)) == 3
    assert f"level {evil}" in text
    empty = tuple(replace(g, results=()) for g in audit.groups)
    assert "By outlyingness" not in report(audit=replace(audit, groups=empty)).html


def test_the_self_test_says_what_was_found(audit: AuditReport) -> None:
    assert audit.self_test is not None
    assert (
        "5 copies of training rows (0.50%) were planted among the synthetic rows: found by near_copies."
        in Reader(report(audit=audit).html).text
    )
    missed = replace(audit.self_test, results=audit.self_test.results[:1])
    assert "not found by any screen" in report(audit=replace(audit, self_test=missed)).html


def test_vulnerable_records_are_row_numbers(audit: AuditReport) -> None:
    text = Reader(report(audit=audit).html).text
    for part in ("Vulnerable records", "12,3450.987799", "70.5not attacked"):
        assert part in text


def test_the_tile_shows_the_worst_verdict(audit: AuditReport) -> None:
    text = Reader(report(audit=audit).html).text
    assert "Attacks and screens✕ fail3 pass, 1 fail, 1 underpowered" in text
    held = replace(audit, results=audit.results[:1])
    assert "Attacks and screens✓ pass1 pass" in Reader(report(audit=held).html).text


def test_the_caption_has_the_confidence_of_the_limits(audit: AuditReport) -> None:
    assert "Estimates with 95% intervals" in report(audit=audit).html
    strict = replace(audit, results=tuple(replace(r, confidence=0.99) for r in audit.results))
    assert "Estimates with 99% intervals" in report(audit=strict).html


def test_quality_alone(quality: QualityReport) -> None:
    page = Reader(report(quality=quality).html)
    for part in (
        "Columns",
        "Pairs of columns",
        "Distributions",
        "Breaks the rule age <=",
        "0.250",
        "Notes of the evaluation",
    ):
        assert part in page.text
    assert "What the synthetic rows give away" not in page.text
    assert "Attacks and screens" not in page.text


def test_quality_with_nothing_defined(quality: QualityReport) -> None:
    bare = replace(
        quality, pairs=(), marginals=(), utility=None, violations={}, notes=(), shape_error=None, columns=()
    )
    text = Reader(report(quality=bare).html).text
    assert "Pairs of columns" not in text
    assert "–" in text


def test_every_picture_has_a_name_and_every_table_a_caption(audit: AuditReport, quality: QualityReport) -> None:
    html = report(audit=audit, quality=quality).html
    pictures = re.findall(r"<svg[^>]*>", html)
    assert all(('role="img"' in p and "aria-label=" in p) or 'aria-hidden="true"' in p for p in pictures)
    assert html.count("<table") == html.count("<caption")
    assert 'lang="en"' in html


def test_wide_tables_make_pages_of_bounded_size(quality: QualityReport) -> None:
    names = [f"a column with a rather long name {i}" for i in range(130)]
    wide = replace(
        quality,
        columns=tuple(replace(quality.columns[0], name=n) for n in names),
        pairs=tuple(replace(quality.pairs[0], left=a, right=b) for i, a in enumerate(names) for b in names[:i]),
        marginals=tuple(replace(quality.marginals[0], name=n) for n in names),
    )
    html = report(quality=wide).html
    assert len(html.encode()) < 2_000_000
    assert "The 60 of 130 columns" in html
    assert "The first 120 of 130 columns" in html


def test_saving(tmp_path: Path, quality: QualityReport) -> None:
    made = report(quality=quality)
    made.save(tmp_path / "r.html")
    assert (tmp_path / "r.html").read_text(encoding="utf8") == made.html
    with pytest.raises(OutputError):
        made.save(tmp_path)


def test_nothing_to_show_is_refused() -> None:
    with pytest.raises(AuditError, match="nothing to show; give audit=, quality= or both"):
        report()


@pytest.mark.parametrize("name", ["audit", "quality"])
def test_other_types_are_refused(name: str) -> None:
    wrong: dict[str, Any] = {name: {"a": 1}}
    with pytest.raises(AuditError, match=f"{name} is a dict; give a"):
        report(**wrong)
