"""Runs timed by the clock and by the processor; imports nothing that a peer's environment might lack."""

import time
from collections.abc import Callable


def timed(run: Callable[[], object], repeats: int) -> tuple[list[float], list[float]]:
    """Seconds of each of some runs, and processor seconds of each over all threads of this process."""
    seconds, processor = [], []
    for _ in range(repeats):
        began, used = time.perf_counter(), time.process_time()
        run()
        seconds.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
    return seconds, processor
