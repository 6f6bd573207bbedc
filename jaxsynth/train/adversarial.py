"""The step of models that are trained by a game: steps of the critic, then one of the generator."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.models import Params
from jaxsynth.models.base import Game, to_batch
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.train.flat import Flat
from jaxsynth.train.plan import Plan
from jaxsynth.train.steps import AXIS, Opponent, State, Turn, averaged, direction, over_devices, row_keys, slope


class _Drawn(NamedTuple):
    """What one step of the critic is about, and the keys of its draws."""

    choice: Any
    order: jax.Array
    make_keys: RowKeys
    loss_keys: RowKeys


@dataclass(frozen=True, eq=False)
class Adversarial:
    """Train by a `Game`. Rows are drawn in the step, by the game's own index of them.

    Attributes:
        game: the two losses, and how rows are drawn and generated.
        layout: of the rows.
        plan: sizes and schedule.
        restore: vector -> the generator's params.
    """

    game: Game
    layout: tuple[CodeSpec, ...]
    plan: Plan
    restore: Callable[[jax.Array], Params]

    def start(self, vector: jax.Array, key: jax.Array) -> State:
        """See `Stepper`; the key draws the critic's initial parameters."""
        start = self.game.init(key)
        critic = jnp.asarray(Flat.like(start).vector(start))
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
        generator = self.restore(state.params)
        *earlier, key = jax.random.split(turn.key, self.game.critic_steps)

        def again(critic: Opponent, own: jax.Array) -> tuple[Opponent, jax.Array]:
            drawn = self._draw(resident, own)
            made = self.game.generate(generator, drawn.choice, drawn.make_keys)
            return self._critic_step(rows, critic, made, drawn, turn.rate)

        critic, losses = state.opponent, jnp.zeros(0)
        if earlier:
            critic, losses = jax.lax.scan(again, critic, jnp.stack(earlier))
        # The generator is judged by the rows of the critic's last step, which are generated already.
        drawn = self._draw(resident, key)
        made, back = jax.vjp(lambda p: self.game.generate(p, drawn.choice, drawn.make_keys), generator)
        critic, loss = self._critic_step(rows, critic, made, drawn, turn.rate)
        grads = over_devices(back(self._blame(critic, made, drawn.choice))[0])
        updates, optimiser = self._optimiser.update(grads, state.optimiser, state.params)
        params = state.params - turn.rate * updates
        average = averaged(state, params, self.plan)
        state = State(state.step + 1, params, average, optimiser, state.scale, critic)
        return state, jnp.append(losses, loss).mean()

    def _draw(self, resident: Any, key: jax.Array) -> _Drawn:
        packs = -(-self.plan.batch // self.game.pack)
        keys = row_keys(key, packs // jax.lax.axis_size(AXIS) * self.game.pack)
        draw_keys, make_keys, loss_keys = keys.split(3)
        return _Drawn(*self.game.draw(resident, draw_keys), make_keys, loss_keys)

    def _critic_step(
        self, rows: Packed, critic: Opponent, made: Any, drawn: _Drawn, rate: jax.Array
    ) -> tuple[Opponent, jax.Array]:
        real = to_batch(self.layout, jax.tree.map(lambda a: a[drawn.order], rows))
        loss, grads = slope(
            lambda p: self.game.critic_loss(p, made, real, drawn.choice, drawn.loss_keys).mean(),
            self._restore_critic(critic.params),
        )
        updates, optimiser = self._optimiser.update(grads, critic.optimiser, critic.params)
        return Opponent(critic.params - rate * self.game.critic_rate * updates, optimiser), loss

    def _blame(self, critic: Opponent, made: Any, choice: Any) -> Any:
        """Gradient of the generator's loss by what it generated."""
        judge = self._restore_critic(critic.params)
        return jax.grad(lambda m: self.game.generator_loss(judge, m, choice).mean())(made)

    @property
    def _restore_critic(self) -> Callable[[jax.Array], Params]:
        return Flat.of(self.game.init).restore

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return direction(self.plan.training, *self.game.betas)
