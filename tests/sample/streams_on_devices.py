"""Digests of what every generator, untrained, draws on so many devices, as JSON.

    python -m tests.sample.streams_on_devices DEVICES OUT.json

For each generator: SHA-256 of 33,000 rows of its stream, read in batches of 65,536 and of 999, and of its rows
from number 30,000 on, drawn by a stream that starts there.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path

import jax
import pyarrow as pa
import pyarrow.ipc as pa_ipc

import jaxsynth as js
from jaxsynth.codec import Codec
from jaxsynth.models import Generator
from jaxsynth.schema import Schema
from jaxsynth.train import Artefact, History
from tests.conftest import make_table

ROWS, START = 33_000, 30_000  # nine blocks, so that each of eight devices draws some; three of two batches
TINY: dict[str, Generator] = {
    "autoregressive": js.Autoregressive(embedding=2, hidden=8, rank=4, networks=1),
    "diffusion": js.Diffusion(width=16, depth=1, steps=2),
    "gan": js.GAN(latent=8, hidden=(16,), critic=(16,)),
    "vae": js.VAE(latent=4, hidden=(16,)),
}


def untrained(generator: Generator) -> js.Synthesizer:
    """With the parameters training starts from."""
    table = make_table(500).select(["sex", "cost", "grade"])
    codec = Codec.fit(Schema.infer(table), table, max_intervals=8)
    params = jax.jit(generator.build(codec.layout).init)(jax.random.key(0))
    return js.Synthesizer(
        Artefact(generator=generator, codec=codec, params=params, history=History(), rows=500, seed=0, versions={})
    )


def digest(table: pa.Table) -> str:
    """SHA-256 of the rows as an Arrow stream of one batch."""
    sink = pa.BufferOutputStream()
    with pa_ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()


def digests(synth: js.Synthesizer) -> dict[str, str]:
    """Of the stream in two batch sizes, of its rows from `START` on, and of a stream that starts there."""
    whole = synth.sample(ROWS, seed=7)
    return {
        "whole": digest(whole),
        "small batches": digest(synth.stream(ROWS, seed=7, batch_rows=999).read_all()),
        "end": digest(whole.slice(START)),
        "started": digest(synth.stream(ROWS - START, seed=7, start=START, batch_rows=1000).read_all()),
    }


if __name__ == "__main__":
    jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))  # type: ignore[no-untyped-call]
    found = {name: digests(untrained(generator)) for name, generator in TINY.items()}
    Path(sys.argv[2]).write_text(json.dumps({"devices": len(jax.local_devices()), "digests": found}))
