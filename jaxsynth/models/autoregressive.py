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
from jaxsynth.models.base import Batch, Model, Params, Training, training_of
from jaxsynth.models.conditioning import has_position
from jaxsynth.models.draw import code_log_prob, position_log_density
from jaxsynth.models.mixture import mixture
from jaxsynth.models.ordered import OrderedNet
from jaxsynth.models.row_keys import RowKeys

_WAVES = 64
_NARROW = 3  # codes of a column of two levels, one more for missing
_ENOUGH = 10_000  # rows from which a table needs less dropout
_MANY = 28_000  # rows from which the time that a second network takes is worth more than what it adds
_FEW = 5.0  # rows of a code below which calibration does little for it


@dataclass(frozen=True, kw_only=True)
class Autoregressive:
    """Hyper-parameters of the autoregressive generator.

    Attributes:
        embedding: features of a code as an input, fewer for columns of few codes.
        hidden: units of each column's own hidden layers, fewer for columns of few codes and in tables of many
            columns.
        rank: of each column's own second layer.
        any_order: share of the steps in which a random set of columns comes before all others.
        dropout: share of hidden units silenced in training on up to 10,000 rows; it falls with more rows.
        networks: whose mixture the model is (`mixture`), on up to 28,000 rows; one beyond. A power of two.
        steady: share of each column's hidden units that dropout spares.
        paired_columns: tables with more columns than this share one running context among their columns
            instead of having weights for every pair.
        max_intervals: interval codes a continuous column is cut into at most.
        batch, pass_steps, epochs, min_steps, learning_rate, weight_decay, validation, patience, ema, cuts: see
            `Training`.
    """

    embedding: int = 8
    hidden: int = 128
    rank: int = 32
    any_order: float = 0.5
    dropout: float = 0.6
    networks: int = 2
    steady: float = 0.125
    paired_columns: int = 128
    max_intervals: int = 256
    batch: int = 256
    pass_steps: int = 64
    epochs: int = 18
    min_steps: int = 2000
    learning_rate: float = 8e-3
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
        return training_of(self, settle=0.0)

    def build(self, layout: tuple[CodeSpec, ...]) -> Model:
        """The model for a layout."""
        likelihood = RowLikelihood.make(self, layout)
        sampler = Ancestral(likelihood.groups, layout, likelihood.net)
        single = Model(
            init=likelihood.net.init,
            loss=likelihood.loss,
            tally=likelihood.tally,
            calibrate=likelihood.calibrate,
            log_prob=likelihood.log_prob,
            sample=sampler.sample,
            sample_block=sampler.sample_block,
            complete=sampler.complete,
            log_mass=sampler.log_mass,
        )
        return mixture(single, self.networks if _rows(layout) <= _MANY else 1)


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
    """Log-probabilities of whole rows under an order of the columns.

    Attributes:
        config: as given.
        dropout: share of hidden units silenced for a table of this many rows.
        spared: bool (units,), hidden units that are never silenced.
        groups: columns of like width.
        layout: what each column is.
        net: the network.
    """

    config: Autoregressive
    dropout: float
    spared: np.ndarray
    groups: tuple[Group, ...]
    layout: tuple[CodeSpec, ...]
    net: OrderedNet

    @classmethod
    def make(cls, config: Autoregressive, layout: tuple[CodeSpec, ...]) -> RowLikelihood:
        """Lay the network out for a layout."""
        groups = in_order(layout)
        net = OrderedNet.make(
            layout,
            groups,
            embedding=config.embedding,
            hidden=config.hidden,
            rank=config.rank,
            paired=config.paired_columns,
        )
        return cls(config, _dropout(config.dropout, layout), _spared(net, config.steady), groups, layout, net)

    def loss(self, params: Params, batch: Batch, keys: RowKeys, progress: jax.Array) -> jax.Array:
        """Negative log-likelihood in nats under a random order of all rows, with dropout of each; (b,)."""
        del progress
        order, hidden = keys.split(2)
        keep = dropout_factors(hidden, self.spared, self.dropout)
        return -self.ordered_log_prob(params, batch, self._random_rank(order.common), keep)

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
            keep: factors (units, b) of the hidden units, or 1.
        """
        return self._forward(params, batch, rank, keep)[0]

    def _forward(
        self, params: Params, batch: Batch, rank: jax.Array, keep: jax.Array | float
    ) -> tuple[jax.Array, list[jax.Array]]:
        """Log-likelihood (b,), and the logits (g, width, b) of each group."""
        codes = batch.codes.T[self.net.order]
        h = self.net.hidden_units(params, self.net.lookup(self.net.inputs(params), codes), rank, keep)
        total = jnp.zeros(codes.shape[1])
        every = self.net.logits(params, h, codes, rank)
        for group, at, logits in zip(self.groups, self.net.starts, every, strict=True):
            own = codes[at : at + len(group.index)]
            total += code_log_prob(logits, own).sum(0)
        return total + self._position_log_prob(params, batch, h), every

    def tally(self, params: Params, batch: Batch, weight: jax.Array) -> tuple[jax.Array, Params]:
        """Log-likelihoods (b,) in the table's order, and for each group the rows expected of a code."""
        log_prob, every = self._forward(params, batch, self.net.rank, 1.0)
        chances = [jax.nn.softmax(logits, axis=1) for logits in every]
        return log_prob, {str(i): (p * weight).sum(-1) for i, p in enumerate(chances)}

    def calibrate(self, params: Params, expected: Params, rows: float) -> Params:
        """Move the heads' biases so that the rows expected of each code become those that the table has.

        Dropout and the average over steps leave them off by some per cent. A round of iterative scaling; codes
        that the rows hold seldom or never hardly move.

        Args:
            params: of the network.
            expected: of `tally`, (g, width) for each group, given each row's earlier columns.
            rows: how many they were.
        """
        bias = {
            str(i): params["bias"][str(i)] + _scaling(jnp.exp(jnp.asarray(g.prior)) * rows, expected[str(i)])
            for i, g in enumerate(self.groups)
        }
        return {**params, "bias": bias}

    def _position_log_prob(self, params: Params, batch: Batch, h: list[jax.Array]) -> jax.Array:
        present = has_position(self.layout, batch.codes)
        density = position_log_density(self.net.tilts(params, h).T, batch.positions)
        return jnp.where(present, density, 0.0).sum(1)


def _dropout(most: float, layout: tuple[CodeSpec, ...]) -> float:
    """More rows need less: tables of 24,000 and more came out better with half as much, one of 6,600 worse."""
    return float(most * min(1.0, _ENOUGH / max(_rows(layout), 1)) ** 0.75)


def _rows(layout: tuple[CodeSpec, ...]) -> int:
    return int(layout[0].counts.sum())


def _spared(net: OrderedNet, share: float) -> np.ndarray:
    """Units that dropout leaves alone, the first of each column; small tables come out better with some."""
    units = [np.arange(s.sizes.hidden) < share * s.sizes.hidden for s in net.spans for _ in s.columns]
    return np.concatenate(units)


def _scaling(expected: jax.Array, found: jax.Array) -> jax.Array:
    """Log of what brings a found number of rows to the expected one, at most a factor e at once."""
    return jnp.clip(jnp.log((expected + _FEW) / (found + _FEW)), -1.0, 1.0)


def dropout_factors(keys: RowKeys, spared: np.ndarray, drop: float) -> jax.Array | float:
    """Dropout as factors (units, b) or 1: 0 or 1 / (1 - drop); units that are `spared` always have 1."""
    if drop == 0:
        return 1.0
    kept = keys.words(len(spared)) >= np.uint32(drop * 2**32)
    return jnp.where(spared[:, None], 1.0, kept.astype(jnp.float32) / (1 - drop))


def from_json(data: Mapping[str, Any]) -> Autoregressive:
    """The configuration that an artefact holds."""
    return Autoregressive(**data)
