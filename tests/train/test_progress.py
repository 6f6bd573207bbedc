from __future__ import annotations

import pytest

from jaxsynth.train.loop import Progress
from jaxsynth.train.progress import progress_bar


def test_nothing_is_shown_when_not_a_terminal_or_asked(capsys: pytest.CaptureFixture[str]) -> None:
    for show in (None, False):
        with progress_bar(show=show) as report:
            assert report is None
    assert capsys.readouterr().err == ""


def test_the_bar_tells_loss_and_rate_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(show=True) as report:
        assert report is not None
        report(Progress(chunk=1, chunks=2, rows=1000, loss=3.25, held_out=3.5))
        report(Progress(chunk=2, chunks=2, rows=1000, loss=2.125, held_out=None))
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "loss 2.125" in streams.err
    assert "rows/s" in streams.err
