"""What the command line says on stderr: plain lines, or JSON lines with `--log-json`.

Events: "progress" of a "task", with the fields of `jaxsynth.progress.Reading`; "note", "warning", "error", "done",
"interrupted" and "terminated". All have "time" and "event", and all but the progress of training and sampling have
"message".
"""

from __future__ import annotations

import sys
from typing import Any

import typer

from jaxsynth.progress import Show, json_line

_PREFIX = {"error": "error: ", "warning": "note: "}


def say(message: str, *, event: str = "note", **fields: Any) -> None:
    """One line to stderr; `fields` are for JSON alone, `message` tells people the same."""
    if _is_json():
        json_line(event, message=message, **fields)
    else:
        typer.echo(_PREFIX.get(event, "") + message, err=True)


def show_warning(message: Warning | str, category: type[Warning] = UserWarning, *_: Any, **__: Any) -> None:
    """In place of `warnings.showwarning`."""
    say(str(message), event="warning", category=category.__name__)


def progress_as(*, quiet: bool, log_json: bool) -> Show:
    """How progress is shown: a log gets lines too, unless quiet."""
    return False if quiet else "json" if log_json else True


def _is_json() -> bool:
    """Read off the arguments themselves, so that a mistake among them is told as JSON too."""
    return "--log-json" in sys.argv[1:]
