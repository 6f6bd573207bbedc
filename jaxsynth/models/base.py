"""The protocol every generator meets: a frozen configuration that builds a value of pure functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Columns, Packed, dtype_columns
from jaxsynth.errors import TrainingError
from jaxsynth.models.row_keys import RowKeys

Params = dict[str, Any]  # nested dicts of float32 arrays

_DTYPES = (jnp.uint8, jnp.uint16, jnp.uint32)


class Batch(NamedTuple):
    """Rows as models see them.

    Attributes:
        codes: int32 (b, columns), in layout order.
        positions: float32 (b, continuous columns), in [0, 1); meaningless where the code has no position.
    """

    codes: jax.Array
    positions: jax.Array


class Condition(NamedTuple):
    """What codes a sample may take, for every layout column; see `codec.layout.Allowed`.

    Attributes:
        weight: tuple of float32 (size,), share of each code that is allowed.
        low: tuple of float32 (size,), where allowed positions begin.
        high: tuple of float32 (size,), where they end.
        active: bool (columns,), which columns are conditioned at all.
    """

    weight: tuple[jax.Array, ...]
    low: tuple[jax.Array, ...]
    high: tuple[jax.Array, ...]
    active: jax.Array


def _no_likelihood(params: Params, batch: Batch, keys: RowKeys, progress: jax.Array) -> jax.Array:
    raise TrainingError("this model has no loss an example: it is trained by its game")


@dataclass(frozen=True)
class Game:
    """An adversarial objective, as pure functions. Only the critic reads rows; the generator reads the critic.

    A choice is what a batch was drawn for, any pytree: real rows and generated ones answer the same choices.

    Attributes:
        init: key -> the critic's params, which are dropped after training.
        index: all training rows -> what drawing rows from them needs, any pytree of arrays.
        draw: (index, keys of b rows) -> a choice and int32 (b,), the rows that answer it.
        generate: (generator, choice, keys) -> what the critic sees of rows that answer a choice, any pytree.
        critic_loss: (critic, generated, rows, choice, keys) -> float32 (packs,); packs share no rows.
        generator_loss: (critic, generated, choice) -> float32 (packs,).
        pack: rows that the critic judges together.
        critic_steps: steps of the critic, each on rows of its own, before each of the generator.
        critic_rate: the critic's learning rate as a multiple of the generator's.
        betas: Adam's decays of the first and second moment, of both.
    """

    init: Callable[[jax.Array], Params]
    index: Callable[[Batch], Any]
    draw: Callable[[Any, RowKeys], tuple[Any, jax.Array]]
    generate: Callable[[Params, Any, RowKeys], Any]
    critic_loss: Callable[[Params, Any, Batch, Any, RowKeys], jax.Array]
    generator_loss: Callable[[Params, Any, Any], jax.Array]
    pack: int
    critic_steps: int
    critic_rate: float
    betas: tuple[float, float]


@dataclass(frozen=True)
class PrivateGame:
    """An adversarial objective for private training: rows meet the critic one by one, and nothing else of it.

    Attributes:
        init: key -> the critic's params, which are dropped after training.
        generate: (generator, keys of n rows) -> what the critic sees of n generated rows, any pytree.
        real_loss: (critic, rows) -> float32 (b,), in which no row influences another's, and which uses the
            critic's parameters by `jaxsynth.affine` alone.
        made_loss: (critic, generated) -> float32 (n,), the critic's loss on generated rows; free.
        generator_loss: (critic, generated) -> float32 (n,); free.
        critic_steps: steps of the critic, each of which is paid for, before those of the generator.
        generator_steps: steps of the generator before the next of the critic; free.
        critic_rate: by which share the critic moves, each step, from where it is to where its gradient points.
        betas: Adam's decays of the first and second moment, of the generator.
    """

    init: Callable[[jax.Array], Params]
    generate: Callable[[Params, RowKeys], Any]
    real_loss: Callable[[Params, Batch], jax.Array]
    made_loss: Callable[[Params, Any], jax.Array]
    generator_loss: Callable[[Params, Any], jax.Array]
    critic_steps: int
    generator_steps: int
    critic_rate: float
    betas: tuple[float, float]


@dataclass(frozen=True)
class Model:
    """A generator for one layout, as pure functions. It is trained by its `loss`, or by its `game` if it has one.

    Attributes:
        init: key -> params.
        sample: (params, key, n, condition or None) -> Batch of n rows; n is static.
        sample_block: (params, key, block, n) -> Batch, block number `block`, a traced uint32, of n unconditioned
            rows each of the stream of `key`, for models whose blocks belong together.
        loss: (params, batch, keys, progress) -> float32 (b,), one loss an example; no example influences
            another's. What it draws for a row is by that row's key. `progress` in [0, 1] is the share of training
            done, for terms that are phased in.
        game: the adversarial objective that trains it instead.
        private_game: makes what takes the game's place where training is private; sampling never asks for it.
        finish: (params, key) -> params, once after training; reads no rows.
        tally: (params, batch, weight) -> float32 (b,), the log-likelihood of each row in nats, by which held-out
            rows are scored, and any pytree of sums over the rows, each as often as its weight (b,) says.
        calibrate: (params, tallies, rows) -> params, some rounds after training, by the sums over so many training
            rows. They are read outside of any clipping, so it is no part of a private training.
        log_prob: (params, batch) -> float32 (b,), log-likelihood of each row in nats, for models that have one.
        complete: (params, key, batch, known, condition) -> Batch with the cells drawn that `known`, bool
            (b, columns), does not mark, given those it marks, for models that can.
        log_mass: (params, key, n, condition) -> float32 (n,), logs of n weights whose mean is the condition's
            probability under the model, for models that can say it.
    """

    init: Callable[[jax.Array], Params]
    sample: Callable[[Params, jax.Array, int, Condition | None], Batch]
    sample_block: Callable[[Params, jax.Array, jax.Array, int], Batch] | None = None
    loss: Callable[[Params, Batch, RowKeys, jax.Array], jax.Array] = _no_likelihood
    game: Game | None = None
    private_game: Callable[[], PrivateGame] | None = None
    finish: Callable[[Params, jax.Array], Params] | None = None
    tally: Callable[[Params, Batch, jax.Array], tuple[jax.Array, Any]] | None = None
    calibrate: Callable[[Params, Any, float], Params] | None = None
    log_prob: Callable[[Params, Batch], jax.Array] | None = None
    complete: Callable[[Params, jax.Array, Batch, jax.Array, Condition], Batch] | None = None
    log_mass: Callable[[Params, jax.Array, int, Condition], jax.Array] | None = None


@dataclass(frozen=True, kw_only=True)
class Training:
    """How a model is trained; part of a generator's hyper-parameters.

    Attributes:
        batch: rows a step at most.
        epochs: passes over the training rows at most.
        min_steps: small tables get more passes until this many steps.
        learning_rate: peak of the warm-up and cosine schedule.
        weight_decay: decoupled (AdamW).
        validation: share of the rows held out for early stopping; 0 trains on all rows to the end.
        patience: share of the run without improvement on the held-out rows before stopping.
        settle: share of the run in which terms of the loss are phased in; no epoch in it is kept or stops.
        ema: horizon of the parameters' exponential moving average, as a share of all steps.
        pass_steps: tables too small for this many steps a pass are trained in smaller batches; 0 for all alike.
        cuts: how often the learning rate is cut to a third, going on from the best parameters, before patience
            that runs out ends training. A table that over-fits early is then annealed early.
    """

    batch: int
    epochs: int
    min_steps: int
    learning_rate: float
    weight_decay: float
    validation: float
    patience: float
    settle: float
    ema: float
    pass_steps: int = 0
    cuts: int = 0


def training_of(configuration: object, **others: float) -> Training:
    """The fields that a configuration has under the names of `Training`, and the others."""
    names = [n for n in Training.__dataclass_fields__ if n not in others and hasattr(configuration, n)]
    return Training(**{n: getattr(configuration, n) for n in names}, **others)  # type: ignore[arg-type]


@runtime_checkable
class Generator(Protocol):
    """A frozen dataclass of hyper-parameters, such as `VAE`."""

    @property
    def name(self) -> str:
        """The name in artefacts and on the command line."""
        ...

    @property
    def training(self) -> Training:
        """How it is trained."""
        ...

    @property
    def max_intervals(self) -> int:
        """Interval codes the codec gives a continuous column at most."""
        ...

    def build(self, layout: tuple[CodeSpec, ...]) -> Model:
        """The model for a layout."""
        ...


def to_batch(layout: tuple[CodeSpec, ...], rows: Packed) -> Batch:
    """Device rows (any integer widths) as a `Batch`, columns in layout order."""
    stored = [i for ids in dtype_columns(layout) for i in ids]
    codes = jnp.concatenate([c.astype(jnp.int32) for c in rows.codes], axis=1)
    if stored != sorted(stored):
        codes = codes[:, np.argsort(stored)]
    return Batch(codes, jnp.asarray(rows.positions))


def to_columns(layout: tuple[CodeSpec, ...], batch: Batch) -> Columns:
    """A `Batch` in its narrowest dtypes, for the way back to the host."""
    parts = zip(dtype_columns(layout), _DTYPES, strict=True)
    codes = tuple(batch.codes[:, jnp.array(ids, jnp.int32)].astype(dtype).T for ids, dtype in parts)
    return Columns(codes, batch.positions.T)  # type: ignore[arg-type]
