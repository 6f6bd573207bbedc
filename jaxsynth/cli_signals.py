"""SIGTERM on the command line: what Ctrl-C does, with its own exit status. The library installs no handler."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from types import FrameType

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM


class StoppedError(Exception):
    """A command was stopped halfway; says what is left and how to go on."""


@dataclass
class Termination:
    """Whether SIGTERM came."""

    received: bool = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The handler. What is stopping already is left to end: queues repeat the signal before they kill."""
        if not self.received:
            self.received = True
            raise KeyboardInterrupt


@contextlib.contextmanager
def terminable() -> Iterator[Termination]:
    """SIGTERM raises KeyboardInterrupt in the main thread, once."""
    termination = Termination()
    before = signal.signal(signal.SIGTERM, termination)
    try:
        yield termination
    finally:
        signal.signal(signal.SIGTERM, before)
