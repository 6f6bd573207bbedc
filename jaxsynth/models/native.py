"""Custom calls of XLA on CPUs: which of the extension's can be used here."""

from __future__ import annotations

from functools import cache
from typing import Literal

import jax

from jaxsynth import _core


def registered(name: Literal["walk", "decoder"]) -> bool:
    """Whether `jaxsynth_<name>` can be called: computations run on CPUs and this build has it."""
    return jax.default_backend() == "cpu" and _register(name)


@cache
def _register(name: Literal["walk", "decoder"]) -> bool:
    handler = _core.walk_call() if name == "walk" else _core.decoder_call()
    if handler is None:
        return False
    jax.ffi.register_ffi_target(f"jaxsynth_{name}", handler, platform="cpu")
    return True
