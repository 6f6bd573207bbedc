"""`Autoregressive`: every column given those before it, in the table's order or after any set of others.

Teacher forcing gives all columns' distributions in one pass (MADE, Germain et al. 2015); half of the steps
see a random set of columns before all others, so that any columns can condition any other (order-agnostic
training, Uria, Murray and Larochelle 2014), which costs the usual order nothing that could be measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.codec.groups import Group, group_columns
from jaxsynth.codec.layout import CodeSpec
from jaxsynth.models.ancestral import Ancestral
from jaxsynth.models.base import Batch, Model, Params, Training
from jaxsynth.models.conditioning import has_position
from jaxsynth.models.draw import position_log_density
from jaxsynth.models.ordered import OrderedNet, lookup

_WAVES = 32
_NARROW = 3  # codes of a column of two levels, one more for missing


@dataclass(frozen=True, kw_only=True)
class Autoregressive:
    """Hyper-parameters of the autoregressive generator.

    Attributes:
        embedding: features of a code as an input.
        hidden: width of each column's own hidden layers.
        any_order: share of the steps in which a random set of columns comes before all others.
        dropout: share of hidden units silenced in training.
        paired_columns: tables with more columns than this share one running context among their columns
            instead of having weights for every pair.
        max_intervals: interval codes a continuous column is cut into at most.
        batch, epochs, min_steps, learning_rate, weight_decay, validation, patience, ema, cuts: see `Training`.
    """

    embedding: int = 8
    hidden: int = 128
    any_order: float = 0.5
    dropout: float = 0.5
    paired_columns: int = 128
    max_intervals: int = 128
    batch: int = 512
    epochs: int = 25
    min_steps: int = 800
    learning_rate: float = 4e-3
    weight_decay: float = 0.3
    validation: float = 0.1
    patience: float = 0.08
    ema: float = 0.05
    cuts: int = 2

    @property
    def name(self) -> str:
        """The name in artefacts and on the command line."""
        return "autoregressive"

    @property
    def training(self) -> Training:
        """How it is trained."""
        shared = [n for n in Training.__dataclass_fields__ if n != "settle"]
        return Training(**{n: getattr(self, n) for n in shared}, settle=0.0)

    def build(self, layout: tuple[CodeSpec, ...]) -> Model:
        """The model for a layout."""
        groups = in_order(layout)
        net = OrderedNet.make(layout, groups, self.embedding, self.hidden, self.paired_columns)
        likelihood = RowLikelihood(self, groups, layout, net)
        sampler = Ancestral(groups, layout, net)
        return Model(
            init=net.init,
            loss=likelihood.loss,
            log_prob=likelihood.log_prob,
            sample=sampler.sample,
            complete=sampler.complete,
            log_mass=sampler.log_mass,
        )


def in_order(layout: tuple[CodeSpec, ...]) -> tuple[Group, ...]:
    """The default order: from narrow to wide columns, and then those of two levels.

    What two-level columns are (diagnoses, outcomes) is what tables are used to predict, and what comes last is
    predicted from everything else by a head of its own.
    """
    narrow = [i for i, spec in enumerate(layout) if spec.size <= _NARROW]
    wide = [i for i, spec in enumerate(layout) if spec.size > _NARROW]
    return group_columns(layout, waves=_WAVES, columns=wide) + group_columns(layout, columns=narrow)


@dataclass(frozen=True, eq=False)
class RowLikelihood:
    """Log-probabilities of whole rows under an order of the columns."""

    config: Autoregressive
    groups: tuple[Group, ...]
    layout: tuple[CodeSpec, ...]
    net: OrderedNet

    def loss(self, params: Params, batch: Batch, key: jax.Array, progress: jax.Array) -> jax.Array:
        """Negative log-likelihood in nats under a random order, with dropout; (b,)."""
        del progress
        order_key, hidden_key = jax.random.split(key)
        b, d = batch.codes.shape
        keep = _keep(hidden_key, (d, b, self.config.hidden), self.config.dropout)
        return -self.ordered_log_prob(params, batch, self._random_rank(order_key), keep)

    def log_prob(self, params: Params, batch: Batch) -> jax.Array:
        """Log-likelihood in nats in the table's own order, (b,)."""
        return self.ordered_log_prob(params, batch, self.net.rank, 1.0)

    def _random_rank(self, key: jax.Array) -> jax.Array:
        """The usual order, or a random set of columns first; each set size is equally likely."""
        coin_key, share_key, set_key = jax.random.split(key, 3)
        d = len(self.layout)
        first = jax.random.uniform(set_key, (d,)) < jax.random.uniform(share_key)
        first &= jax.random.uniform(coin_key) < self.config.any_order
        return self.net.rank - d * first

    def ordered_log_prob(
        self, params: Params, batch: Batch, rank: jax.Array, keep: jax.Array | float
    ) -> jax.Array:
        """Log-likelihood in nats, (b,), where columns (model order) see those of lower rank.

        Args:
            params: of the network.
            batch: b rows.
            rank: distinct numbers (d,).
            keep: factors (d, b, hidden) of the hidden units, or 1.
        """
        codes = batch.codes[:, self.net.order]
        features = lookup(self.net.inputs(params), codes)
        h = self.net.hidden_units(params, features, rank, keep)
        total = jnp.zeros(len(codes))
        for group, at, logits in zip(self.groups, self.net.starts, self.net.logits(params, h), strict=True):
            own = codes.T[at : at + len(group.index)]
            total += (_pick(logits, own) - jax.nn.logsumexp(logits, axis=-1)).sum(0)
        return total + self._position_log_prob(params, batch, h)

    def _position_log_prob(self, params: Params, batch: Batch, h: jax.Array) -> jax.Array:
        present = has_position(self.layout, batch.codes)
        density = position_log_density(self.net.tilts(params, h), batch.positions)
        return jnp.where(present, density, 0.0).sum(1)


def _pick(logits: jax.Array, codes: jax.Array) -> jax.Array:
    """The logit of each row's code, (g, b); a comparison vectorises where a gather of single numbers does not."""
    if logits.shape[-1] > 1024:
        return jnp.take_along_axis(logits, codes[..., None], axis=-1)[..., 0]
    return jnp.where(codes[..., None] == np.arange(logits.shape[-1]), logits, 0.0).sum(-1)


def _keep(key: jax.Array, shape: tuple[int, ...], drop: float) -> jax.Array | float:
    """Dropout as a factor: 0 or 1 / (1 - drop). Eight random bits a unit are enough and cost a quarter."""
    if drop == 0:
        return 1.0
    threshold = round(256 * drop)
    kept = jax.random.bits(key, shape, jnp.uint8) >= threshold
    return kept.astype(jnp.float32) / (1 - threshold / 256)


def from_json(data: Mapping[str, Any]) -> Autoregressive:
    """The configuration that an artefact holds."""
    return Autoregressive(**data)
