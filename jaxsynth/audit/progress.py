"""What an audit is doing, on stderr: one line a step, with a clock where there is a terminal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from jaxsynth.progress import Show, json_line, way_of

Tell = Callable[[str], None]


@contextlib.contextmanager
def progress_of(steps: int, *, show: Show) -> Iterator[Tell]:
    """A function to be called with the name of each step as it begins.

    Args:
        steps: how many there will be.
        show: True shows a line a step wherever stderr goes, False nothing, "json" a line of JSON a step; None
            shows a clock on a terminal or in a notebook, and nothing elsewhere.
    """
    console = Console(stderr=True)
    way = way_of(show, console)
    if way == "nothing":
        yield lambda _: None
    elif way == "json":
        numbers = iter(range(1, steps + 1))
        yield lambda name: json_line(
            "progress", task="audit", step=next(numbers, steps), steps=steps, message=name
        )
    elif way == "bar":
        columns = SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn()
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("audit", total=steps)
            yield _counted(steps, lambda text: bar.update(task, description=text, advance=1))
    else:
        started = time.monotonic()
        yield _counted(steps, lambda text: console.print(f"{text}  {time.monotonic() - started:.0f} s"))


def _counted(steps: int, show: Tell) -> Tell:
    numbers = iter(range(1, steps + 1))

    def tell(name: str) -> None:
        show(f"audit {next(numbers, steps)}/{steps}: {name}")

    return tell
