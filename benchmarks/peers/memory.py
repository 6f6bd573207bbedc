"""Peak memory of this process."""

import resource
from pathlib import Path


def peak_megabytes() -> float:
    """Largest resident memory so far, in 10^6 bytes.

    Worker processes that a peer starts are not counted. Linux's `ru_maxrss` also counts what the parent held
    when it forked, so the process's own high-water mark is read where there is one.
    """
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
