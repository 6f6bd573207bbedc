"""Which devices computation runs on: one CPU device a core for programs that own their process."""

from __future__ import annotations

import os

import jax

_MOST = 8  # beyond this, the exchange of gradients costs a small model more than a core brings


def use_all_cores() -> None:
    """Offer JAX one CPU device a core, so that training shares its batches between them.

    The command line does this for itself; a notebook or script may call it before its first use of JAX.
    Without effect where the user chose a number (`JAX_NUM_CPU_DEVICES`, `XLA_FLAGS`) or JAX has already
    started.
    """
    chosen = "JAX_NUM_CPU_DEVICES" in os.environ or "host_platform_device_count" in os.environ.get("XLA_FLAGS", "")
    if chosen:
        return
    try:
        jax.config.update("jax_num_cpu_devices", min(len(os.sched_getaffinity(0)), _MOST))  # type: ignore[no-untyped-call]
    except RuntimeError:  # JAX has started: its devices are what they are
        return
