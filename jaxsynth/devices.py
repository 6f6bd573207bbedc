"""Which devices computation runs on, and how programs are compiled for them."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, wraps
from typing import Any

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


def compiled(function: Callable[..., Any], **options: Any) -> Any:
    """`jax.jit` for what computes with a model; `options` are those of `jax.jit`.

    The CPU compiler of jax 0.10 has a fusion that gives wrong numbers, without a word, where a matrix is
    multiplied by equal columns and the product then reduced over its rows: a softmax of a column that does not
    depend on the row. It is left out.
    """

    @cache
    def program() -> Callable[..., Any]:
        return jax.jit(function, compiler_options=_safe_options(), **options)

    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        return program()(*arguments, **named)

    return call


def compiled_method(method: Callable[..., Any], **options: Any) -> Any:
    """A method as a `compiled` program of each object, which goes when the object goes.

    With the object as a static argument, JAX would keep it and all of its programs for as long as the process
    lives; a program that held it would wait for the garbage collector, whose counts know nothing of programs.
    `options` count the arguments without the object, which is told from others by identity.
    """
    programs: weakref.WeakKeyDictionary[Any, Callable[..., Any]] = weakref.WeakKeyDictionary()

    @wraps(method)
    def call(own: Any, *arguments: Any) -> Any:
        if own not in programs:
            programs.setdefault(own, compiled(_without_owner(method, own), **options))
        return programs[own](*arguments)

    return call


def _without_owner(method: Callable[..., Any], own: Any) -> Callable[..., Any]:
    held = weakref.ref(own)

    def bound(*arguments: Any) -> Any:
        return method(held(), *arguments)

    bound.__name__ = method.__name__  # what profilers show
    return bound


def compiled_ahead(function: Callable[..., Any], *like: Any) -> Callable[..., Any]:
    """`compiled(function)` for arguments of the shapes and places of `like`, compiled in a thread meanwhile."""
    pool = ThreadPoolExecutor(1)
    program = pool.submit(lambda: jax.jit(function, compiler_options=_safe_options()).lower(*like).compile())
    pool.shutdown(wait=False)

    def call(*arguments: Any) -> Any:
        return program.result()(*arguments)

    return call


@cache
def _safe_options() -> dict[str, str]:
    """Options without that fusion, or none where the compiler does not know it."""
    without = {"xla_cpu_experimental_ynn_fusion_type": ""}
    if jax.default_backend() != "cpu":
        return {}
    try:
        jax.jit(lambda x: x + 1, compiler_options=without)(0)
    except jax.errors.JaxRuntimeError:
        return {}
    return without
