from __future__ import annotations

import os
import subprocess
import sys

import pytest

_COUNT = "import jaxsynth as js, jax; js.use_all_cores(); print(len(jax.local_devices())); js.use_all_cores()"


@pytest.mark.parametrize(("chosen", "expected"), [({}, None), ({"JAX_NUM_CPU_DEVICES": "3"}, 3)])
def test_every_core_is_a_device_unless_the_user_chose(chosen: dict[str, str], expected: int | None) -> None:
    environment = {k: v for k, v in os.environ.items() if k not in {"XLA_FLAGS", "JAX_NUM_CPU_DEVICES"}} | chosen
    command = [sys.executable, "-c", _COUNT]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert int(run.stdout) == (expected or min(len(os.sched_getaffinity(0)), 8))
