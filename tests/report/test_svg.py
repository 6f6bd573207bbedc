from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxsynth.report.svg import Markup, Scale, axes, join, picture, short, tag, ticks


@given(st.text())
def test_text_and_attributes_are_escaped(text: str) -> None:
    made = tag("b", text, title=text)
    assert made.count("<") == 2
    assert made.count('"') == 2
    assert "<script" not in made


def test_markup_is_nested_as_it_is() -> None:
    assert tag("p", tag("b", "x"), " & y") == "<p><b>x</b> &amp; y</p>"
    assert join([Markup("<i></i>"), "<"]) == "<i></i>&lt;"


def test_attribute_names_and_numbers() -> None:
    assert tag("rect", x=1.0, y=0.256, stroke_width=2, class_="a", id=None) == (
        '<rect x="1" y="0.26" stroke-width="2" class="a"></rect>'
    )


def test_scales_clip_to_their_ends() -> None:
    scale = Scale(0.0, 10.0, 100.0, 0.0)
    assert [scale(v) for v in (-5.0, 0.0, 2.5, 99.0)] == [100.0, 100.0, 75.0, 0.0]
    assert Scale(1.0, 1.0, 0.0, 50.0)(1.0) == 0.0


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 8))
def test_ticks_are_round_few_and_inside(low: float, width: float, count: int) -> None:
    got = ticks(low, low + width, count)
    assert len(got) <= 2.5 * count + 1
    assert all(low - 1e-6 * width - 1e-6 <= t <= low + width * (1 + 1e-6) + 1e-6 for t in got)
    assert got == sorted(got)


def test_ticks_of_a_point() -> None:
    assert ticks(3.0, 3.0) == [3.0]


@pytest.mark.parametrize(("text", "cut"), [("abc", "abc"), ("abcd", "ab…")])
def test_short(text: str, cut: str) -> None:
    assert short(text, 3) == cut


def test_pictures_are_well_formed_and_named() -> None:
    x, y = Scale(0, 1, 40, 200), Scale(0, 1, 100, 10)
    root = ElementTree.fromstring(picture(220, 140, axes(x, y, x_label="<x>", y_label="y"), label='a "b"'))
    assert root.attrib["role"] == "img"
    assert root.attrib["aria-label"] == 'a "b"'
