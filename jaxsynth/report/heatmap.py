"""The pair-error heat map: synthetic error below the diagonal, real-vs-real floor above it."""

from __future__ import annotations

from bisect import bisect_right

from jaxsynth.quality.result import PairScore, average
from jaxsynth.report.svg import Markup, join, picture, short, tag, words

LIMIT = 60  # columns shown; with more, the cells and the file would get too small and too large
BREAKS = (0.01, 0.02, 0.04, 0.06, 0.1, 0.15, 0.2, 0.3, 0.5)  # the same in every report, so that they compare
_NAME = 16  # characters of a column name
_SIDE = 880.0  # pixels


def heat_columns(pairs: tuple[PairScore, ...]) -> tuple[str, ...]:
    """Choose the columns to show: all, in order; or the 60 with the largest mean pair error, in order."""
    names = tuple(dict.fromkeys(n for p in pairs for n in (p.left, p.right)))
    if len(names) <= LIMIT:
        return names
    errors: dict[str, list[float | None]] = {n: [] for n in names}
    for pair in pairs:
        errors[pair.left].append(pair.error)
        errors[pair.right].append(pair.error)
    worst = set(sorted(names, key=lambda n: -(average(errors[n]) or 0.0))[:LIMIT])
    return tuple(n for n in names if n in worst)


def heat_map(pairs: tuple[PairScore, ...]) -> Markup:
    """Draw one cell for each ordered pair of columns, with the figures as tooltips.

    Args:
        pairs: at least one.
    """
    names = heat_columns(pairs)
    position = {n: i for i, n in enumerate(names)}
    cell = min(max(_SIDE / len(names), 14.0), 26.0)
    margin = 6.4 * min(max(len(n) for n in names), _NAME) + 12
    side = margin + cell * len(names)
    cells = [
        _cells(p, position[p.left], position[p.right], cell, margin)
        for p in pairs
        if p.left in position and p.right in position
    ]
    width = max(side + 4, 420.0)
    return picture(
        width,
        side + 58,
        *_names(names, cell, margin),
        *cells,
        _legend(margin, side + 22, min(cell * len(names), 400.0)),
        label=f"Heat map of pair errors of {len(names)} columns: synthetic below the diagonal, real-vs-real "
        "above it",
        class_="chart heat",
    )


def _names(names: tuple[str, ...], cell: float, margin: float) -> list[Markup]:
    out = []
    for i, name in enumerate(names):
        centre = margin + cell * (i + 0.5)
        text = short(name, _NAME)
        out.append(words(margin - 5, centre + 3.5, text, anchor="end", class_="small"))
        place = f"translate({centre + 3.5:g} {margin - 5:g}) rotate(-90)"
        out.append(tag("text", text, transform=place, class_="small"))
        out.append(
            tag("rect", x=centre - cell / 2, y=centre - cell / 2, width=cell, height=cell, class_="diagonal")
        )
    return out


def _cells(pair: PairScore, i: int, j: int, cell: float, margin: float) -> Markup:
    first, second = sorted((i, j))
    text = f"{pair.left} × {pair.right}: synthetic {_figure(pair.error)}, real-vs-real {_figure(pair.floor)}"
    below = _cell(margin + cell * first, margin + cell * second, cell, pair.error, text)
    above = _cell(margin + cell * second, margin + cell * first, cell, pair.floor, text)
    return join([below, above])


def _cell(x: float, y: float, size: float, value: float | None, text: str) -> Markup:
    class_ = "none" if value is None else f"h{bisect_right(BREAKS, value)}"
    return tag("rect", tag("title", text), x=x, y=y, width=size - 1, height=size - 1, class_=class_)


def _figure(value: float | None) -> str:
    return "not defined" if value is None else f"{value:.3f}"


def _legend(x: float, y: float, width: float) -> Markup:
    step = max(width, 300.0) / (len(BREAKS) + 1)
    parts = [
        tag("rect", x=x + step * i, y=y, width=step, height=11, class_=f"h{i}") for i in range(len(BREAKS) + 1)
    ]
    parts += [
        words(x + step * (i + 1), y + 25, f"{b:g}", anchor="middle", class_="small") for i, b in enumerate(BREAKS)
    ]
    parts.append(
        words(
            x,
            y - 5,
            "error, as a fraction of 1 (darker is worse in light mode, brighter in dark)",
            class_="small",
        )
    )
    return join(parts)
