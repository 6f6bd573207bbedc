"""`VAE`: a variational autoencoder for tables (Kingma & Welling 2014; TVAE, Xu et al. 2019, section 4.4).

Differs from TVAE in three ways that matter: columns enter through the codec's exact codes instead of a
mixture fit, every output is drawn from its own distribution instead of the mode, and the loss is the
evidence bound per example with nothing shared between examples.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.codec.groups import Group, group_columns
from jaxsynth.codec.layout import CodeSpec
from jaxsynth.models import native_decoder
from jaxsynth.models.base import Batch, Condition, Model, Params, Training, training_of
from jaxsynth.models.conditioning import has_position, log_inside, position_limits, probabilities
from jaxsynth.models.draw import code_log_prob, draw_codes, draw_positions, position_log_density, resample
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.models.uniforms import normals, spread_uniforms
from jaxsynth.nets import MLP, TableEmbed, TableHeads, apply

_FIRST_LOG_STD = -2.0  # latents start informative: from a noisy start the decoder learns to ignore them
_POOL = 8  # latent candidates a row when conditioning


@dataclass(frozen=True, kw_only=True)
class VAE:
    """Hyper-parameters of the variational autoencoder.

    Attributes:
        latent: size of the latent code.
        hidden: widths of the encoder's hidden layers; the decoder mirrors them.
        beta: weight of the divergence from the prior; 1 is the evidence bound, TVAE's loss is 0.5.
        anneal: share of training over which the divergence is phased in; without it the latent collapses.
        max_intervals: interval codes a continuous column is cut into at most.
        batch, epochs, min_steps, learning_rate, weight_decay, validation, patience, ema: see `Training`.
    """

    latent: int = 32
    hidden: tuple[int, ...] = (128, 128)
    beta: float = 1.0
    anneal: float = 0.15
    max_intervals: int = 64
    batch: int = 500
    epochs: int = 60
    min_steps: int = 1200
    learning_rate: float = 4e-3
    weight_decay: float = 1e-5
    validation: float = 0.1
    patience: float = 0.2
    ema: float = 0.02

    @property
    def name(self) -> str:
        """The name in artefacts and on the command line."""
        return "vae"

    @property
    def training(self) -> Training:
        """How it is trained."""
        return training_of(self, settle=self.anneal)

    def build(self, layout: tuple[CodeSpec, ...]) -> Model:
        """The model for a layout."""
        net = _Net.make(self, layout)
        return Model(init=net.init, loss=net.loss, sample=net.sample, sample_block=net.sample_block)


@dataclass(frozen=True, eq=False)
class _Net:
    """The modules for one layout and the pure functions over their parameters."""

    latent: int
    beta: float
    anneal: float
    groups: tuple[Group, ...]
    layout: tuple[CodeSpec, ...]
    embed: TableEmbed
    encoder: MLP
    decoder: MLP
    heads: TableHeads

    @classmethod
    def make(cls, config: VAE, layout: tuple[CodeSpec, ...]) -> _Net:
        groups = group_columns(layout)
        return cls(
            latent=config.latent,
            beta=config.beta,
            anneal=config.anneal,
            groups=groups,
            layout=layout,
            embed=TableEmbed(groups),
            encoder=MLP((*config.hidden, 2 * config.latent)),
            decoder=MLP(tuple(reversed(config.hidden))),
            heads=TableHeads(groups, sum(s.continuous for s in layout)),
        )

    def init(self, key: jax.Array) -> Params:
        keys = jax.random.split(key, 4)
        codes = jnp.zeros((1, len(self.layout)), jnp.int32)
        positions = jnp.zeros((1, self.heads.continuous))
        embed = self.embed.init(keys[0], codes, positions)
        features = apply(self.embed, embed.get("params", {}), codes, positions)
        hidden = jnp.zeros((1, self.decoder.widths[-1]))
        return {
            "embed": dict(embed.get("params", {})),
            "encoder": self.encoder.init(keys[1], features)["params"],
            "decoder": self.decoder.init(keys[2], jnp.zeros((1, self.latent)))["params"],
            "heads": self.heads.init(keys[3], hidden)["params"],
        }

    def loss(self, params: Params, batch: Batch, keys: RowKeys, progress: jax.Array) -> jax.Array:
        """Negative evidence bound in nats, (b,); the divergence is phased in over the first part."""
        x = apply(self.embed, params["embed"], batch.codes, batch.positions)
        mean, spread = jnp.split(apply(self.encoder, params["encoder"], x), 2, axis=1)
        log_std = jnp.clip(spread + _FIRST_LOG_STD, -6.0, 3.0)
        noise = keys.each(lambda key: jax.random.normal(key, (self.latent,)))
        logits, tilts = self._decode(params, mean + jnp.exp(log_std) * noise)
        divergence = 0.5 * (jnp.square(mean) + jnp.exp(2 * log_std) - 1).sum(1) - log_std.sum(1)
        return (
            self._surprise(batch, logits, tilts)
            + self.beta * jnp.clip(progress / self.anneal, 0.0, 1.0) * divergence
        )

    def _decode(self, params: Params, z: jax.Array) -> tuple[list[jax.Array], jax.Array]:
        hidden = jax.nn.relu(apply(self.decoder, params["decoder"], z))
        logits, tilts = apply(self.heads, params["heads"], hidden)
        return logits, tilts

    def _surprise(self, batch: Batch, logits: list[jax.Array], tilts: jax.Array) -> jax.Array:
        """-log p(codes, positions | z), (b,)."""
        total = jnp.zeros(len(batch.codes))
        for group, own in zip(self.groups, logits, strict=True):
            total -= code_log_prob(own, batch.codes.T[np.array(group.index)]).sum(0)
        present = has_position(self.layout, batch.codes)
        return total - jnp.where(present, position_log_density(tilts, batch.positions), 0.0).sum(1)

    def sample(self, params: Params, key: jax.Array, n: int, condition: Condition | None) -> Batch:
        """Rows from the prior; under a condition, latents are resampled by how likely they meet it."""
        if condition is None:
            return self.sample_block(params, key, 0, n)
        latent_key, code_key, position_key = jax.random.split(key, 3)
        logits, tilts = self._decode(params, self._conditioned_latents(params, latent_key, n, condition))
        inside = [probabilities(g, own, condition) for g, own in zip(self.groups, logits, strict=True)]
        codes = draw_codes(jax.random.uniform(code_key, (len(self.layout), n)), self.groups, inside)
        return self._placed(codes, jax.random.uniform(position_key, tilts.shape), tilts, condition)

    def sample_block(self, params: Params, key: jax.Array, block: jax.Array | int, n: int) -> Batch:
        """Block number `block` of n rows each of a stream; all its blocks share sequences of uniforms."""
        d, v = len(self.layout), self.heads.continuous
        uniforms = spread_uniforms(key, block, self.latent + d + v, n)
        latent, code, position = jnp.split(uniforms, [self.latent, self.latent + d])
        z = normals(latent)
        if native_decoder.can():
            drawn, tilts = native_decoder.draw(self.groups, params, z, code, v)
            return self._placed(drawn.T, position.T, tilts.T, None)
        logits, tilts = self._decode(params, z.T)
        codes = draw_codes(code, self.groups, [jax.nn.softmax(own, axis=1) for own in logits])
        return self._placed(codes, position.T, tilts, None)

    def _placed(
        self, codes: jax.Array, uniforms: jax.Array, tilts: jax.Array, condition: Condition | None
    ) -> Batch:
        """Codes (n, columns) with positions drawn inside them, where they have one."""
        low, high = position_limits(self.layout, codes, condition)
        positions = draw_positions(uniforms, tilts, low, high)
        return Batch(codes, jnp.where(has_position(self.layout, codes), positions, 0.0))

    def _conditioned_latents(self, params: Params, key: jax.Array, n: int, condition: Condition) -> jax.Array:
        """Sampling-importance-resampling of z by p(condition | z), from a pool of candidates."""
        draw_key, pick_key = jax.random.split(key)
        pool = jax.random.normal(draw_key, (_POOL, n, self.latent))
        log_weights = jax.lax.map(partial(self._log_probability, params, condition=condition), pool)
        picked = resample(pick_key, log_weights.reshape(-1), n)
        return pool.reshape(-1, self.latent)[picked]

    def _log_probability(self, params: Params, z: jax.Array, *, condition: Condition) -> jax.Array:
        """Log p(condition | z), (n,): columns are independent given z."""
        logits, _ = self._decode(params, z)
        return jnp.stack([inside.sum(0) for inside in log_inside(self.groups, logits, condition)]).sum(0)


def from_json(data: Mapping[str, Any]) -> VAE:
    """The configuration that an artefact holds."""
    return VAE(**{**data, "hidden": tuple(data["hidden"])})
