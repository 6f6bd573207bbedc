"""The cluster that a call works on: the one that the process is connected to, or one for the call alone."""

from __future__ import annotations

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator

import ray

from jaxsynth.errors import OutputError


@contextlib.contextmanager
def connected(address: str | None) -> Iterator[None]:
    """Be connected to a cluster, and leave it again if this process was not before.

    Args:
        address: of the cluster; None for the one the process is connected to, else the one that `RAY_ADDRESS`
            names, else one started on this machine.

    Raises:
        OutputError: no cluster answers there, or the process is connected already and an address is given.
    """
    if ray.is_initialized():
        if address is not None:
            raise OutputError(f"this process is connected to a Ray cluster; leave out the address {address!r}")
        yield
        return
    try:
        with _signals_kept():
            ray.init(address=address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        where = f"at {address!r}" if address else "here"
        raise OutputError(
            f"no Ray cluster {where} ({' '.join(str(error).split())[:300]}); check address"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Ray takes SIGTERM for itself; whoever called has their own ways."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, before)
