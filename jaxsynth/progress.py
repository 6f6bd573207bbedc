"""How a long task is shown on stderr: a bar on a terminal, a plain line an interval in a log, or JSON lines."""

from __future__ import annotations

import contextlib
import json
import math
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from jaxsynth.errors import JaxsynthError

Show = bool | Literal["json"] | None
"""True: a bar on a terminal or in a notebook, lines elsewhere; None: that bar alone; "json"; or False: nothing."""

INTERVAL = 30.0  # seconds between two lines, and the time that rows a second are counted over


@dataclass(frozen=True, kw_only=True)
class Report:
    """How far a task is.

    Attributes:
        rows: done so far.
        of: rows of the whole task, as planned.
        kept: those of `rows` that were there before; they say nothing of the speed.
        text: further figures for people.
        figures: the same by stable names, for JSON.
    """

    rows: int
    of: int
    kept: int = 0
    text: str = ""
    figures: Mapping[str, float | int | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A report with what a clock adds to it.

    Attributes:
        report: what was reported.
        elapsed: seconds since the task began.
        rate: rows a second.
        remaining: seconds that the plan still takes at that rate; None where no row was done yet. Early stopping
            may end a training sooner.
        ended: whether it is the last one.
    """

    report: Report
    elapsed: float
    rate: float
    remaining: float | None
    ended: bool

    @property
    def text(self) -> str:
        """For people."""
        left = "" if self.remaining is None else f"{_duration(self.remaining)} left"
        parts = (
            self.report.text,
            f"{self.rate:,.0f} rows/s",
            f"took {_duration(self.elapsed)}" if self.ended else left,
        )
        return "  ".join(filter(None, parts))

    @property
    def fields(self) -> dict[str, float | int | None]:
        """For JSON."""
        return {
            "rows": self.report.rows,
            "rows_total": self.report.of,
            "rows_per_second": round(self.rate, 1),
            "elapsed_seconds": round(self.elapsed, 1),
            "remaining_seconds": None if self.remaining is None else round(self.remaining, 1),
            **self.report.figures,
        }


class Pace:
    """Turns reports into readings: the speed of the last interval, and the time left at that speed."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.began = clock()
        self._points = deque([(self.began, 0)])

    def at(self, report: Report) -> Reading:
        """The reading of a report that comes now."""
        now, new = self.clock(), report.rows - report.kept
        self._points.append((now, new))
        while len(self._points) > 2 and self._points[1][0] <= now - INTERVAL:
            self._points.popleft()
        then, before = self._points[0]
        rate = (new - before) / max(now - then, 1e-9)
        left = (report.of - report.rows) / rate if rate > 0 else None
        return Reading(report=report, elapsed=now - self.began, rate=rate, remaining=left, ended=False)

    def end(self, report: Report) -> Reading:
        """The last reading: its speed is that of the whole task."""
        elapsed = self.clock() - self.began
        rate = (report.rows - report.kept) / max(elapsed, 1e-9)
        return Reading(report=report, elapsed=elapsed, rate=rate, remaining=0.0, ended=True)


@contextlib.contextmanager
def reporting(
    task: str, *, show: Show, clock: Callable[[], float] = time.monotonic
) -> Iterator[Callable[[Report], None] | None]:
    """A function to be called with each report, or None when nothing is shown.

    Args:
        task: its name, as in "training".
        show: see `Show`.
        clock: seconds.

    Raises:
        JaxsynthError: `show` is something else.
    """
    console = Console(stderr=True)
    way = way_of(show, console)
    if way == "nothing":
        yield None
    elif way == "json":
        yield from _each_interval(lambda r: json_line("progress", task=task, **r.fields), clock)
    elif way == "bar":
        columns = TextColumn(task), BarColumn(), TextColumn("{task.fields[text]}")
        with Bar(*columns, console=console) as bar:
            yield _to_bar(bar, task, clock)
    else:
        yield from _each_interval(lambda r: _write_line(f"{task}: {r.text}"), clock)


def way_of(show: Show, console: Console) -> Literal["nothing", "bar", "lines", "json"]:
    """What `show` comes to on a console.

    Raises:
        JaxsynthError: `show` is something else.
    """
    if show not in (True, False, None, "json"):
        raise JaxsynthError(f'progress is {show!r}; give True, False, "json" or None')
    if show == "json":
        return "json"
    live = console.is_terminal or console.is_jupyter
    if show is False or (show is None and not live):
        return "nothing"
    return "bar" if live else "lines"


def _to_bar(bar: Bar, task: str, clock: Callable[[], float]) -> Callable[[Report], None]:
    number, pace = bar.add_task(task, total=None, text="compiling"), Pace(clock)

    def report(r: Report) -> None:
        bar.update(number, total=r.of, completed=r.rows, text=pace.at(r).text)

    return report


def _each_interval(
    tell: Callable[[Reading], None], clock: Callable[[], float]
) -> Iterator[Callable[[Report], None]]:
    """Tells at most one report an interval, and the last one once the task has ended."""
    pace, told, last = Pace(clock), clock(), None

    def report(r: Report) -> None:
        nonlocal told, last
        reading, last = pace.at(r), r
        if clock() - told >= INTERVAL:
            tell(reading)
            told = clock()

    yield report
    if last is not None:
        tell(pace.end(last))


def json_line(event: str, **fields: Any) -> None:
    """Write one event to stderr as a line of JSON: its time (UTC), name and fields; what is not finite is null.

    Example:
        >>> import contextlib, sys
        >>> with contextlib.redirect_stderr(sys.stdout):
        ...     json_line("done", message="wrote x.csv", rows=3)  # doctest: +ELLIPSIS
        {"time": "...", "event": "done", "message": "wrote x.csv", "rows": 3}
    """
    finite = {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in fields.items()}
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    _write_line(json.dumps({"time": now, "event": event, **finite}, ensure_ascii=False))


def _write_line(text: str) -> None:
    with contextlib.suppress(OSError):  # whoever read the log has gone; the task goes on
        print(text, file=sys.stderr, flush=True)  # noqa: T201


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
