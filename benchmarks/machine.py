"""What the figures were measured on: processor, cores, versions, and the rate of float32 matrix products."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from jaxsynth.train import library_versions


def describe() -> dict[str, Any]:
    """Machine, versions and date."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "devices": len(jax.local_devices()),
        "platform": jax.default_backend(),
        "python": platform.python_version(),
        **library_versions(),
    }


def matmul_rate(size: int = 2048, repeats: int = 10) -> float:
    """Float32 matrix products of one device, in GFLOP/s: the best of `repeats`."""
    a = jnp.ones((size, size), jnp.float32)
    product = jax.jit(lambda x: x @ x)
    product(a).block_until_ready()
    best = min(_timed(lambda: product(a).block_until_ready()) for _ in range(repeats))
    return 2 * size**3 / best / 1e9


def _timed(run: Any) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()
