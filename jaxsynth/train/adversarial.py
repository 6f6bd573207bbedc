"""The step of models that are trained by a game: steps of the critic, then one of the generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.flatten_util import ravel_pytree

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.models import Params
from jaxsynth.models.base import Game, to_batch
from jaxsynth.train.plan import Plan
from jaxsynth.train.steps import Opponent, State, Turn, averaged, direction, slope


@dataclass(frozen=True, eq=False)
class Adversarial:
    """Train by a `Game`. Rows are drawn in the step, by the game's own index of them.

    Attributes:
        game: the two losses and how rows are drawn.
        layout: of the rows.
        plan: sizes and schedule.
        restore: vector -> the generator's params.
        share: rows of a batch on each device.
    """

    game: Game
    layout: tuple[CodeSpec, ...]
    plan: Plan
    restore: Callable[[jax.Array], Params]
    share: int

    def start(self, vector: jax.Array, key: jax.Array) -> State:
        """See `Stepper`; the key draws the critic's initial parameters."""
        critic, _ = ravel_pytree(self.game.init(key))
        opponent = Opponent(critic, self._optimiser.init(critic))
        return State(
            jnp.zeros((), jnp.int32), vector, vector.copy(), self._optimiser.init(vector), jnp.ones(()), opponent
        )

    def resident(self, rows: Packed) -> Any:
        """The game's index of the rows."""
        return jax.jit(lambda r: self.game.index(to_batch(self.layout, r)))(rows)

    def order(self, key: jax.Array) -> jax.Array:
        """No row numbers: steps draw their own."""
        del key
        return jnp.zeros((self.plan.steps, 0), jnp.int32)

    def step(self, rows: Packed, resident: Any, state: State, turn: Turn) -> tuple[State, jax.Array]:
        """See `Stepper`; the loss is the critic's."""
        assert state.opponent is not None
        *keys, draw_key, loss_key = jax.random.split(turn.key, self.game.critic_steps + 2)
        generator = self.restore(state.params)
        critic_step = partial(self._critic_step, rows, resident, generator, turn.rate * self.game.critic_rate)
        opponent, losses = jax.lax.scan(critic_step, state.opponent, jnp.stack(keys))
        critic = self._restore_critic(opponent.params)
        choice, _ = self.game.draw(resident, draw_key, self.share)
        _, grads = slope(lambda p: self.game.generator_loss(critic, p, choice, loss_key).mean(), generator)
        updates, optimiser = self._optimiser.update(grads, state.optimiser, state.params)
        params = state.params - turn.rate * updates
        average = averaged(state, params, self.plan)
        return State(state.step + 1, params, average, optimiser, state.scale, opponent), losses.mean()

    def _critic_step(
        self, rows: Packed, resident: Any, generator: Params, rate: jax.Array, critic: Opponent, key: jax.Array
    ) -> tuple[Opponent, jax.Array]:
        draw_key, loss_key = jax.random.split(key)
        choice, order = self.game.draw(resident, draw_key, self.share)
        real = to_batch(self.layout, jax.tree.map(lambda a: a[order], rows))
        loss, grads = slope(
            lambda p: self.game.critic_loss(p, generator, real, choice, loss_key).mean(),
            self._restore_critic(critic.params),
        )
        updates, optimiser = self._optimiser.update(grads, critic.optimiser, critic.params)
        return Opponent(critic.params - rate * updates, optimiser), loss

    @property
    def _restore_critic(self) -> Callable[[jax.Array], Params]:
        shapes = jax.eval_shape(self.game.init, jax.random.key(0))
        _, restore = ravel_pytree(jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes))
        return restore

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return direction(self.plan.training, *self.game.betas)
