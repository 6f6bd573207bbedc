"""What holds for the training of every generator that has a loss an example."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import jax
import pyarrow as pa
import pytest

import jaxsynth as js
from jaxsynth.codec import Codec
from jaxsynth.codec.packed import pack
from jaxsynth.models import Generator
from jaxsynth.schema import Schema
from jaxsynth.train import train

TINY: list[Any] = [
    js.VAE(latent=4, hidden=(16,), batch=64, validation=0.1),
    js.Autoregressive(embedding=4, hidden=8, batch=64),
    js.Diffusion(width=16, depth=1, batch=64),
]


@pytest.mark.parametrize("generator", TINY, ids=lambda g: g.name)
def test_a_longer_fit_is_traced_no_more_often(generator: Any, table: pa.Table) -> None:
    codec = Codec.fit(Schema.infer(table), table)
    data = pack(codec.layout, codec.encode(table))

    def traces(generator: Generator) -> int:
        model, count = generator.build(codec.layout), [0]

        def loss(*arguments: Any) -> jax.Array:
            count[0] += 1
            return model.loss(*arguments)

        _, history = train(replace(model, loss=loss), codec.layout, data, generator.training, seed=0)
        assert len(history.losses) > 1 or generator.training.epochs == 1
        return count[0]

    one = traces(replace(generator, epochs=1, min_steps=1, patience=1.0))
    assert one == traces(replace(generator, epochs=5, min_steps=1, patience=1.0))
