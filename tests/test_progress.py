from __future__ import annotations

import contextlib
import io
import json
from datetime import datetime

import pytest
from rich.console import Console

from jaxsynth import progress
from jaxsynth.errors import JaxsynthError
from jaxsynth.progress import Report, reporting


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def _at(seconds: float, clock: Clock) -> None:
    clock.now = seconds


def test_a_log_gets_a_line_an_interval_and_one_at_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with reporting("sampling", show=True, clock=clock) as tell:
        assert tell is not None
        for second in range(0, 96, 5):  # 2,000 rows a second, beside 50,000 that were there
            _at(second, clock)
            tell(Report(rows=50_000 + 2_000 * second, of=250_000, kept=50_000, text=f"{second} done"))
        _at(100, clock)
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.splitlines() == [
        "sampling: 30 done  2,000 rows/s  0:01:10 left",
        "sampling: 60 done  2,000 rows/s  0:00:40 left",
        "sampling: 90 done  2,000 rows/s  0:00:10 left",
        "sampling: 95 done  1,900 rows/s  took 0:01:40",
    ]


def test_speed_is_that_of_the_last_interval(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with contextlib.suppress(KeyboardInterrupt), reporting("training", show=True, clock=clock) as tell:
        assert tell is not None
        for second, rows in ((60, 600), (90, 3_600), (120, 6_600)):  # the first minute went by in compiling
            _at(second, clock)
            tell(Report(rows=rows, of=9_600))
        raise KeyboardInterrupt  # a task that is stopped has no last line
    assert capsys.readouterr().err.splitlines() == [
        "training: 10 rows/s  0:15:00 left",
        "training: 100 rows/s  0:01:00 left",
        "training: 100 rows/s  0:00:30 left",
    ]


def test_json_lines_have_stable_fields(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    with reporting("sampling", show="json", clock=clock) as tell:
        assert tell is not None
        for second in (0, 30, 40):
            _at(second, clock)
            tell(Report(rows=10 * second, of=400, figures={"bytes": second, "loss": float("nan")}))
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    times = [datetime.fromisoformat(line.pop("time")) for line in lines]
    assert all(time.tzinfo is not None for time in times)
    common = {"event": "progress", "task": "sampling", "rows_total": 400, "rows_per_second": 10.0, "loss": None}
    assert lines == [
        common | {"rows": 300, "bytes": 30, "elapsed_seconds": 30.0, "remaining_seconds": 10.0},
        common | {"rows": 400, "bytes": 40, "elapsed_seconds": 40.0, "remaining_seconds": 0.0},
    ]


def test_a_terminal_gets_a_bar(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shown, clock = io.StringIO(), Clock()
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=shown, force_terminal=True, width=100))
    with reporting("sampling", show=None, clock=clock) as tell:
        assert tell is not None
        _at(2, clock)
        tell(Report(rows=50, of=100, text="half of it"))
    assert "half of it  25 rows/s  0:00:02 left" in shown.getvalue()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("show", [None, False])
def test_a_library_is_silent_off_a_terminal(show: bool | None, capsys: pytest.CaptureFixture[str]) -> None:
    with reporting("sampling", show=show) as tell:
        assert tell is None
    assert capsys.readouterr().err == ""


def test_another_way_to_show_is_refused() -> None:
    with pytest.raises(JaxsynthError, match="progress is 'yaml'; give True, False"), reporting("x", show="yaml"):  # type: ignore[arg-type]
        pass
