from __future__ import annotations

import json

import pytest

from jaxsynth.train.loop import Progress
from jaxsynth.train.progress import progress_bar


def test_nothing_is_shown_when_not_a_terminal_or_asked(capsys: pytest.CaptureFixture[str]) -> None:
    for show in (None, False):
        with progress_bar(show=show) as report:
            assert report is None
    assert capsys.readouterr().err == ""


def test_a_log_is_told_passes_losses_and_speed(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(show=True) as report:
        assert report is not None
        report(Progress(chunk=1, chunks=4, rows=1000, loss=3.25, held_out=3.5))
        report(Progress(chunk=2, chunks=4, rows=1000, loss=2.125, held_out=None))
    streams = capsys.readouterr()
    assert streams.out == ""
    assert streams.err.startswith("training: 2/4 passes  loss 2.125  ")
    assert "rows/s  took 0:00:00" in streams.err
    assert streams.err.count("\n") == 1


def test_json_adds_up_the_rows_of_passes(capsys: pytest.CaptureFixture[str]) -> None:
    with progress_bar(show="json") as report:
        assert report is not None
        report(Progress(chunk=1, chunks=4, rows=1000, loss=3.25, held_out=3.5))
        report(Progress(chunk=2, chunks=4, rows=1000, loss=2.125, held_out=2.5))
    told = json.loads(capsys.readouterr().err)
    wanted = {"rows": 2000, "rows_total": 4000, "chunk": 2, "chunks": 4, "loss": 2.125, "held_out": 2.5}
    assert wanted.items() <= told.items()
