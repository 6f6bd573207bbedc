"""One of two processes that train together, each with two devices: what it has learned, in a file.

python -m tests.train.fit_in_processes PROCESS PORT OUT.npy
"""

from __future__ import annotations

import sys

import jax
import numpy as np

import jaxsynth as js
from jaxsynth.train.mesh import row_mesh
from tests.conftest import make_table

CONFIG = js.VAE(latent=4, hidden=(16,), batch=800, epochs=1, min_steps=1)


def fit() -> np.ndarray:
    """Parameters after a few steps, end to end."""
    synth = js.fit(make_table(1800).select(["sex", "cost", "grade"]), CONFIG, seed=0, progress=False)
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(synth.artefact.params)])


def main(process: int, port: int, out: str) -> None:
    """Join the other process, fit and write."""
    jax.config.update("jax_num_cpu_devices", 2)  # type: ignore[no-untyped-call]
    jax.config.update("jax_cpu_collectives_implementation", "gloo")  # type: ignore[no-untyped-call]
    jax.distributed.initialize(f"127.0.0.1:{port}", 2, process)
    assert row_mesh(CONFIG.batch).size == 4
    np.save(out, fit())


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
