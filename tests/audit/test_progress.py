from __future__ import annotations

import io
import threading
import time

import pytest
from rich.console import Console

from jaxsynth.audit import progress
from jaxsynth.audit.progress import progress_of


def _terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a console says that takes its stream for a terminal."""
    shown = io.StringIO()
    monkeypatch.setattr(progress, "Console", lambda **_: Console(file=shown, force_terminal=True, width=100))
    return shown


def test_lines_go_to_stderr_where_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_of(2, show=True) as tell:
        tell("nearest rows")
        first = capsys.readouterr().err
        tell("groups")
    streams = capsys.readouterr()
    assert first.startswith("audit 1/2: nearest rows")
    assert streams.err.startswith("audit 2/2: groups")
    assert streams.err.rstrip().endswith("s")
    assert streams.out == ""


@pytest.mark.parametrize("show", [False, None])
def test_nothing_is_shown_off_a_terminal_unless_asked_for(
    show: bool | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with progress_of(1, show=show) as tell:
        tell("nearest rows")
    streams = capsys.readouterr()
    assert (streams.out, streams.err) == ("", "")


def test_a_terminal_shows_a_clock_and_clears_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _terminal(monkeypatch)
    with progress_of(3, show=None) as tell:
        tell("nearest rows")
        tell("membership")
    assert "audit 2/3: membership" in shown.getvalue()
    assert "0:00:0" in shown.getvalue()
    assert shown.getvalue().endswith("\x1b[2K")


def test_false_silences_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = _terminal(monkeypatch)
    with progress_of(3, show=False) as tell:
        tell("nearest rows")
    assert shown.getvalue() == ""


def test_more_steps_than_announced_are_no_fault(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_of(1, show=True) as tell:
        tell("one")
        tell("two")
    assert "audit 1/1: two" in capsys.readouterr().err


def _stopped(error: type[BaseException]) -> None:
    with progress_of(1, show=None) as tell:
        tell("nearest rows")
        raise error


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_what_is_raised_inside_comes_out(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    shown, threads = _terminal(monkeypatch), threading.active_count()
    with pytest.raises(error):
        _stopped(error)
    # The cursor, hidden while the clock runs, is shown again, and the clock has stopped.
    assert shown.getvalue().rindex("\x1b[?25h") > shown.getvalue().rindex("\x1b[?25l")
    for _ in range(100):  # the clock's thread is told to stop, and does so at its next tick
        if threading.active_count() == threads:
            return
        time.sleep(0.05)
    pytest.fail("the clock runs on")
