"""A few steps of every generator, plain and private, on so many devices: what each has learned, in a file.

python -m tests.train.fits_on_devices DEVICES OUT.npz
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pyarrow as pa

import jaxsynth as js
from jaxsynth.codec import Codec
from jaxsynth.codec.packed import pack
from jaxsynth.errors import PrivacyWarning
from jaxsynth.models import Params
from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.privacy.randomness import Deterministic
from jaxsynth.train.flat import Flat
from jaxsynth.train.mesh import row_mesh
from jaxsynth.train.private import train_private
from jaxsynth.train.private_run import prepare
from tests.conftest import make_table

COLUMNS = ["sex", "cost", "grade"]
BATCH = 800  # a hundred rows for each of eight devices
PLAIN: dict[str, Any] = {
    "vae": js.VAE(latent=4, hidden=(16,), batch=BATCH, epochs=1, min_steps=1),
    "autoregressive": js.Autoregressive(
        embedding=2, hidden=8, rank=4, networks=1, batch=BATCH, pass_steps=0, epochs=1, min_steps=1
    ),
    "diffusion": js.Diffusion(width=16, depth=1, batch=BATCH, epochs=1, min_steps=1),
    "gan": js.GAN(latent=8, hidden=(16,), critic=(16,), batch=2 * BATCH, epochs=1, min_steps=1),
}


def fits() -> dict[str, Params]:
    """Parameters by name; few steps, for rounding tips a draw of a game at last, and then two runs part."""
    table = make_table(1800).select(COLUMNS)
    found = {name: js.fit(table, g, seed=0, progress=False).artefact.params for name, g in PLAIN.items()}
    table = make_table(3300).select(COLUMNS)
    schema = js.Schema.infer(table).declare_public()
    privacy = js.Privacy(epsilon=0.25, rows=3300, deterministic_noise=True)
    small = js.VAE(latent=4, hidden=(16,))
    synth = js.fit(table, small, schema=schema, privacy=privacy, seed=0, progress=False)
    return {**found, "private vae": synth.artefact.params, "private gan": _private_game(table)}


def _private_game(table: pa.Table) -> Params:
    """Four rounds, with batches of 825 rows on average, which eight do not divide."""
    generator = js.GAN(latent=8, hidden=(16, 16), asking=False, pack=1, critic_steps=2, generator_steps=2)
    codec = Codec.fit(js.Schema.infer(table), table)
    model, n = generator.build(codec.layout), table.num_rows
    assert model.private_game is not None
    event = TrainingEvent(
        probability=0.25, steps=8, noise_multiplier=1.0, clipping_norm=0.5,
        parameters=Flat.of(model.private_game().init).size, units=n, units_bound=n, batch_size=1000,
    )  # fmt: skip
    rows = pack(codec.layout, codec.encode(table))
    units = np.arange(n)[:, None]
    ready = prepare(
        model, codec.layout, rows, units, generator.training, event, seed=0, randomness=Deterministic(0)
    )
    return train_private(ready)[0]


def main(devices: int, out: Path) -> None:
    """Fit and write the parameters of each, end to end."""
    jax.config.update("jax_num_cpu_devices", devices)  # type: ignore[no-untyped-call]
    warnings.filterwarnings("ignore", "NOT PRIVATE", PrivacyWarning)
    assert row_mesh(BATCH).size == devices
    vectors = {
        name: np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])
        for name, params in fits().items()
    }
    np.savez(out, **vectors)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
