"""The progress bar: loss, rows a second, remaining time, on stderr; silent when not a terminal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from jaxsynth.train.loop import Progress


@contextlib.contextmanager
def progress_bar(*, show: bool | None) -> Iterator[Callable[[Progress], None] | None]:
    """A callback for `train`, or None when nothing is shown.

    Args:
        show: True or False force it; None shows the bar on a terminal or in a notebook only.
    """
    console = Console(stderr=True)
    if not (console.is_terminal or console.is_jupyter if show is None else show):
        yield None
        return
    columns = (TextColumn("training"), BarColumn(), TextColumn("{task.fields[text]}"), TimeRemainingColumn())
    with Bar(*columns, console=console) as bar:
        yield _reporter(bar)


def _reporter(bar: Bar) -> Callable[[Progress], None]:
    task = bar.add_task("training", total=None, text="compiling")
    last = time.perf_counter()

    def report(p: Progress) -> None:
        nonlocal last
        now = time.perf_counter()
        held = "" if p.held_out is None else f"  held-out {p.held_out:.3f}"
        loss = "" if p.loss is None else f"loss {p.loss:.3f}{held}  "
        text = f"{loss}{p.rows / (now - last):,.0f} rows/s"
        last = now
        bar.update(task, total=p.chunks, completed=p.chunk, text=text)

    return report
