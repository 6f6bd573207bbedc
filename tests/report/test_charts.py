from __future__ import annotations

from dataclasses import replace
from xml.etree import ElementTree

import pytest

from jaxsynth.audit.result import AuditReport, DistanceCurve
from jaxsynth.quality.result import Marginal, PairScore, QualityReport
from jaxsynth.report.charts import curve_chart, error_chart, interval_chart
from jaxsynth.report.heatmap import BREAKS, LIMIT, heat_columns, heat_map
from jaxsynth.report.multiples import marginal_chart
from jaxsynth.report.svg import Markup


def parsed(markup: Markup) -> ElementTree.Element:
    return ElementTree.fromstring(str(markup))


def pairs(n: int) -> tuple[PairScore, ...]:
    names = [f"column {i}" for i in range(n)]
    return tuple(
        PairScore(left=a, right=b, error=(i % 10) / 10, floor=0.0, strength=0.1, metric="contingency")
        for i, a in enumerate(names)
        for b in names[i + 1 :]
    )


def test_curves_are_inside_the_frame(audit: AuditReport) -> None:
    for curve in audit.curves:
        root = parsed(curve_chart(curve))
        width, height = float(root.attrib["width"]), float(root.attrib["height"])
        lines = root.findall("polyline")
        assert [line.attrib["class"] for line in lines] == ["line holdout", "line synthetic"]
        points = [p.split(",") for line in lines for p in line.attrib["points"].split()]
        assert points
        assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in points)


def test_an_outlier_sets_no_scale() -> None:
    probs = tuple(i / 200 for i in range(201))
    near = (*probs[:-1], 1e9)
    root = parsed(curve_chart(DistanceCurve(name="other", probs=probs, synthetic=near, holdout=probs)))
    labels = [t.text for t in root.iter("text") if t.attrib["class"] == "label"]
    assert "1" in labels
    assert not any("e+" in (text or "") for text in labels)


def test_intervals_and_errors_are_drawn(audit: AuditReport) -> None:
    for result in (
        audit.results[0],
        replace(audit.results[0], excess=0.0, excess_low=0.0, excess_high=0.0, detectable=0.0),
    ):
        assert parsed(interval_chart(result)).find("circle") is not None
    assert parsed(error_chart(0.1, 0.05, 0.2)).find("rect") is not None
    assert parsed(error_chart(None, None, 1.0)).find("rect") is None


def test_every_pair_has_two_cells_with_its_figures(quality: QualityReport) -> None:
    root = parsed(heat_map(quality.pairs))
    titles = [t.text or "" for t in root.iter("title")]
    assert len(titles) == 2 * len(quality.pairs)
    assert any("synthetic 0.200, real-vs-real 0.010" in t for t in titles)
    assert sum("not defined" in t for t in titles) == 2


@pytest.mark.parametrize(("value", "class_"), [(0.0, "h0"), (0.01, "h1"), (0.3, "h8"), (1.0, "h9")])
def test_colours_follow_the_breaks(value: float, class_: str) -> None:
    pair = PairScore(left="a", right="b", error=value, floor=None, strength=None, metric="contingency")
    cells = [r.attrib["class"] for r in parsed(heat_map((pair,))).iter("rect") if r.find("title") is not None]
    assert cells == [class_, "none"]
    assert len(BREAKS) == 9


def test_cells_stay_inside_and_apart() -> None:
    root = parsed(heat_map(pairs(47)))
    cells = [r for r in root.iter("rect") if r.find("title") is not None]
    places = {(r.attrib["x"], r.attrib["y"]) for r in cells}
    assert len(places) == len(cells) == 47 * 46
    assert float(cells[0].attrib["width"]) >= 12
    assert max(float(r.attrib["x"]) + float(r.attrib["width"]) for r in cells) <= float(root.attrib["width"])


def test_wide_tables_show_the_worst_columns() -> None:
    many = pairs(LIMIT + 20)
    assert len(heat_columns(many)) == LIMIT
    assert len(list(parsed(heat_map(many)).iter("title"))) == LIMIT * (LIMIT - 1)


def test_marginals_are_drawn(quality: QualityReport) -> None:
    numeric, levels = (parsed(marginal_chart(m)) for m in quality.marginals)
    assert len(numeric.findall("polyline")) == 3
    assert len(levels.findall("circle")) == 3
    texts = [t.text for t in levels.iter("text") if t.text]
    assert "0%" in texts


def test_marginals_without_cells_are_drawn() -> None:
    empty = Marginal(
        name="c", kind="category", labels=("a",), edges=(), train=(0.0,), holdout=(0.0,), synthetic=(0.0,)
    )
    assert parsed(marginal_chart(empty)).attrib["role"] == "img"
