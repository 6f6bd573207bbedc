"""Just enough SVG: escaped elements, linear scales, round ticks, axes. Colours are in the style sheet."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


class Markup(str):
    """Text that is markup already: everything else is escaped where it enters an element."""

    __slots__ = ()


Child = Markup | str


def tag(name: str, *children: Child, **attributes: object) -> Markup:
    """Build one element; children that are not `Markup`, and all attribute values, are escaped.

    Args:
        name: the element's name.
        children: elements or text.
        attributes: underscores become hyphens and a trailing one is dropped (`class_`); None leaves it out.

    Example:
        >>> tag("b", "<script>", class_="x")
        '<b class="x">&lt;script&gt;</b>'
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(_text(value), quote=True)}"'
        for key, value in attributes.items()
        if value is not None
    )
    return Markup(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Markup:
    """Concatenate elements and text, escaping the text."""
    return Markup("".join(c if isinstance(c, Markup) else html.escape(c, quote=True) for c in children))


def _text(value: object) -> str:
    # Two decimals place a mark to a hundredth of a pixel; more would only make the file larger.
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)


def picture(width: float, height: float, *children: Child, label: str, class_: str = "chart") -> Markup:
    """Build an `<svg>` that screen readers announce as one image called `label`."""
    return tag(
        "svg",
        *children,
        viewBox=f"0 0 {width:g} {height:g}",
        width=f"{width:g}",
        height=f"{height:g}",
        role="img",
        aria_label=label,
        class_=class_,
    )


def words(x: float, y: float, text: str, *, anchor: str = "start", class_: str = "label") -> Markup:
    """Place text with its baseline at (x, y); `anchor` is start, middle or end."""
    return tag("text", text, x=x, y=y, text_anchor=anchor, class_=class_)


def line(x1: float, y1: float, x2: float, y2: float, *, class_: str) -> Markup:
    """Draw a straight line."""
    return tag("line", x1=x1, y1=y1, x2=x2, y2=y2, class_=class_)


def polyline(points: Sequence[tuple[float, float]], *, class_: str) -> Markup:
    """Draw an open line through points in pixels."""
    return tag("polyline", points=" ".join(f"{_text(x)},{_text(y)}" for x, y in points), class_=class_)


@dataclass(frozen=True)
class Scale:
    """Values in [low, high] onto pixels in [start, stop]; `stop` may lie before `start`.

    Example:
        >>> Scale(0.0, 2.0, 100.0, 0.0)(0.5)
        75.0
    """

    low: float
    high: float
    start: float
    stop: float

    def __call__(self, value: float) -> float:
        """Return the pixel of `value`; values outside the scale land on its ends."""
        span = (self.high - self.low) or 1.0
        share = min(max((value - self.low) / span, 0.0), 1.0)
        return self.start + share * (self.stop - self.start)


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers in [low, high], about `count` of them.

    Example:
        >>> ticks(0.0, 0.93, 4)
        [0.0, 0.2, 0.4, 0.6, 0.8]
    """
    if not high > low:
        return [low]
    raw = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = min((f * power for f in (1, 2, 5, 10)), key=lambda s: abs(math.log(s / raw)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(i * step, 12) for i in range(first, last + 1)]


def axes(x: Scale, y: Scale, *, x_label: str, y_label: str) -> Markup:
    """Draw a labelled frame: grid lines and numbers at round ticks below and to the left of the plot."""
    parts: list[Markup] = []
    for value in ticks(x.low, x.high):
        parts.append(line(x(value), y.start, x(value), y.stop, class_="grid"))
        parts.append(words(x(value), y.start + 16, f"{value:g}", anchor="middle"))
    for value in ticks(y.low, y.high):
        parts.append(line(x.start, y(value), x.stop, y(value), class_="grid"))
        parts.append(words(x.start - 6, y(value) + 4, f"{value:g}", anchor="end"))
    middle = (y.start + y.stop) / 2
    parts.append(line(x.start, y.start, x.stop, y.start, class_="axis"))
    parts.append(words((x.start + x.stop) / 2, y.start + 34, x_label, anchor="middle", class_="axis-label"))
    turned = tag(
        "text",
        y_label,
        transform=f"translate(14 {middle:g}) rotate(-90)",
        text_anchor="middle",
        class_="axis-label",
    )
    return join([*parts, turned])


def short(text: str, length: int) -> str:
    """Cut text to `length` characters, the last an ellipsis if anything was cut."""
    return text if len(text) <= length else text[: length - 1] + "…"
