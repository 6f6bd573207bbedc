"""Progress of a training: passes, loss, rows a second, remaining time."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from jaxsynth.progress import Report, Show, reporting
from jaxsynth.train.loop import Progress


@contextlib.contextmanager
def progress_bar(*, show: Show) -> Iterator[Callable[[Progress], None] | None]:
    """A callback for `train`, or None when nothing is shown.

    Args:
        show: see `jaxsynth.progress.Show`.
    """
    with reporting("training", show=show) as tell:
        yield None if tell is None else _reporter(tell)


def _reporter(tell: Callable[[Report], None]) -> Callable[[Progress], None]:
    rows = 0

    def report(p: Progress) -> None:
        nonlocal rows
        rows += p.rows
        told = {"loss": p.loss, "held-out": p.held_out}
        parts = [f"{p.chunk}/{p.chunks} passes", *(f"{k} {v:.3f}" for k, v in told.items() if v is not None)]
        tell(
            Report(
                rows=rows,
                of=rows + (p.chunks - p.chunk) * p.rows,
                text="  ".join(parts),
                figures={"chunk": p.chunk, "chunks": p.chunks, "loss": p.loss, "held_out": p.held_out},
            )
        )

    return report
