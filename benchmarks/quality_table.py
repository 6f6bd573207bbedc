"""Markdown tables from the results of `benchmarks.quality`: every figure beside its goal and its floor.

python -m benchmarks.quality_table results.jsonl                    a table a set, models as rows
python -m benchmarks.quality_table results.jsonl --figure utility_auc    one figure, sets as rows
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.protocol import records
from benchmarks.protocol.goals import FIGURES, Figure

Record = dict[str, Any]
_FIRST = ("independent",)  # then the models in the order in which they were first run
_COST = "fit s (compiling)", "rows/s", "peak MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("results", type=Path, nargs="+")
    parser.add_argument("--sets", help="only these, comma-separated")
    parser.add_argument("--figure", choices=[f.key for f in FIGURES], help="one figure for all sets")
    arguments = parser.parse_args()
    found = records.latest([r for path in arguments.results for r in records.read(path)])
    if not found:
        raise SystemExit(f"{arguments.results[0]}: no results; run python -m benchmarks.quality first")
    if arguments.sets:
        found = [r for r in found if r["set"] in arguments.sets.split(",")]
    print(render(found, figure=arguments.figure))


def render(found: list[Record], *, figure: str | None = None) -> str:
    """All tables as one text, machine and versions last."""
    if figure is not None:
        blocks = [_figure_table(found, next(f for f in FIGURES if f.key == figure))]
    else:
        blocks = [_set_table([r for r in found if r["set"] == name], name) for name in _ordered(found, "set")]
    return "\n\n".join([*blocks, *_notes(found)])


def _set_table(found: list[Record], name: str) -> str:
    shown = [f for f in FIGURES if any(_values(found, f.key))]
    head = ["", *(f"{f.title} {_ARROWS[f.better]}" for f in shown), *_COST]
    rows = [
        ["goal: best published", *(_goal(f, name) for f in shown), *[""] * 3],
        ["real rows", *(_cell(_of(found, "real"), f) for f in shown), *[""] * 3],
    ]
    for model in _models(found):
        own = _of(found, model)
        rows.append([_name(own, model), *(_cell(own, f) for f in shown), *_costs(own)])
    size = next((r for r in found if r["status"] == "ok" and r["kind"] == "quality"), None)
    about = f", {size['rows']:,} rows, {size['columns']} columns" if size else ""
    return f"**{name}**{about}\n\n" + _markdown(head, rows)


_ARROWS = {"lower": "↓", "higher": "↑", "half": "→ .5"}


def _figure_table(found: list[Record], figure: Figure) -> str:
    models = _models(found)
    head = [f"{figure.title} {_ARROWS[figure.better]}", "goal", "real rows", *models]
    rows = []
    for name in _ordered(found, "set"):
        own = [r for r in found if r["set"] == name]
        rows.append([name, _goal(figure, name), *(_cell(_of(own, m), figure) for m in ("real", *models))])
    return _markdown(head, rows)


def _models(found: list[Record]) -> list[str]:
    every = [m for m in _ordered(found, "model") if m != "real"]
    return [*(m for m in _FIRST if m in every), *(m for m in every if m not in _FIRST)]


def _ordered(found: list[Record], key: str) -> list[str]:
    return list(dict.fromkeys(r[key] for r in found))


def _of(found: list[Record], model: str) -> list[Record]:
    return [r for r in found if r["model"] == model]


def _values(found: Iterable[Record], key: str) -> list[float]:
    values = [r["scores"].get(key) for r in found if r["status"] == "ok"]
    return [v for v in values if v is not None]


def _cell(found: list[Record], figure: Figure) -> str:
    """Mean of the seeds, and their standard deviation where there are several."""
    values = _values(found, figure.key)
    if not values:
        return "failed" if found and all(r["status"] == "failed" for r in found) else ""
    text = f"{mean(values):.{figure.digits}f}"
    return f"{text} ± {stdev(values):.{figure.digits}f}" if len(values) > 1 else text


def _goal(figure: Figure, name: str) -> str:
    sign = {"lower": "≤", "higher": "≥", "half": "≤"}[figure.better]
    return f"{sign} {figure.goals[name]:.{figure.digits}f}" if name in figure.goals else ""


def _name(found: list[Record], model: str) -> str:
    """With the number of seeds, for a mean says little without it."""
    seeds = len({r["seed"] for r in found if r["status"] == "ok" and r["kind"] == "quality"})
    tried = {r["fit"].get("epochs") for r in found if r["status"] == "ok"} - {None}
    short = f", {min(tried)} epochs instead of its default" if tried else ""
    return f"{model} ({seeds} seed{'' if seeds == 1 else 's'}{short})"


def _costs(found: list[Record]) -> list[str]:
    fits = [r["fit"] for r in found if r["status"] == "ok" and r["kind"] == "quality" and r["fit"]]
    if not fits:
        return [""] * 3
    average: Callable[[str], float] = lambda key: mean(f.get(key, 0.0) for f in fits)  # noqa: E731
    compiling = average("fit_compile_seconds")
    fit = f"{average('fit_seconds'):.1f}" + (f" ({compiling:.1f})" if compiling else "")
    return [fit, f"{average('rows_a_second'):,.0f}", f"{average('peak_megabytes'):,.0f}"]


def _markdown(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _notes(found: list[Record]) -> list[str]:
    done = [r for r in found if r["status"] == "ok"]
    machines = sorted({f"{r['machine']['cores']} cores of {r['machine']['processor']}" for r in done})
    versions = {n: v for r in done for n, v in r["fit"].get("versions", {}).items()}
    dates = sorted(r["time"][:10] for r in done)
    loads = [r["machine"]["load"] for r in done]
    measured = [
        f"Measured {dates[0]} to {dates[-1]} on {'; '.join(machines)}; load when a fit began: "
        f"{min(loads):.1f} to {max(loads):.1f}."
    ] if done else []  # fmt: skip
    used = [f"Versions: {', '.join(f'{n} {v}' for n, v in sorted(versions.items()))}."] if versions else []
    notes = sorted({f"{r['model']} on {r['set']}: {n}." for r in done for n in r["fit"].get("notes", [])})
    failed = [
        f"Failed: {r['model']} on {r['set']}, seed {r['seed']}, {r['kind']}: {r['error'].splitlines()[-1]}"
        for r in found
        if r["status"] != "ok"
    ]
    return [*measured, *used, *notes, *failed]


if __name__ == "__main__":
    main()
