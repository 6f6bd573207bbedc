"""Where the training rows of a run lie, and which of them are on the devices in each chunk of its steps."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

from jaxsynth.codec.packed import Packed
from jaxsynth.models import Training
from jaxsynth.out_of_core.windows import Windows
from jaxsynth.train.plan import Plan, make_plan

Place = Callable[[Packed], tuple[Packed, Any]]
"""Puts rows on the devices, with what lies beside them (`Stepper.resident`)."""


class Rows(Protocol):
    """Training rows."""

    def plan(self, training: Training) -> Plan:
        """How they are trained on."""
        ...

    @property
    def known(self) -> Packed:
        """Rows that calibration may read: as many as it can use."""
        ...

    def chunks(self, place: Place) -> Iterator[tuple[Packed, Any]]:
        """What is on the devices, chunk after chunk, without end. All chunks have the same shapes."""
        ...


@dataclass(frozen=True, eq=False)
class Resident:
    """All rows are on the devices all the time."""

    rows: Packed

    def plan(self, training: Training) -> Plan:
        """See `Rows`."""
        return make_plan(len(self.rows.positions), training)

    @property
    def known(self) -> Packed:
        """See `Rows`."""
        return self.rows

    def chunks(self, place: Place) -> Iterator[tuple[Packed, Any]]:
        """See `Rows`."""
        return itertools.repeat(place(self.rows))


@dataclass(frozen=True, eq=False)
class OutOfCore:
    """A window of the rows a chunk, from a file; the next one is read while the steps of a chunk run.

    Attributes:
        windows: of the file's rows.
        known: see `Rows`.
    """

    windows: Windows
    known: Packed

    def plan(self, training: Training) -> Plan:
        """See `Rows`."""
        return make_plan(self.windows.rows, training, self.windows.a_pass)

    def chunks(self, place: Place) -> Iterator[tuple[Packed, Any]]:
        """See `Rows`."""
        with ThreadPoolExecutor(1) as pool:
            ahead: Future[Packed] = pool.submit(self.windows.read, 0)
            for chunk in itertools.count(1):
                rows = ahead.result()
                ahead = pool.submit(self.windows.read, chunk)
                yield place(rows)
