"""One step of private training of models that are trained by a game: only what the critic sees of rows costs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.models import Params
from jaxsynth.models.base import PrivateGame
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.privacy import ghost
from jaxsynth.train.flat import Flat
from jaxsynth.train.mechanism import Mechanism
from jaxsynth.train.plan import Plan
from jaxsynth.train.private_steps import gathered
from jaxsynth.train.steps import AXIS, Opponent, State, Turn, averaged, direction, row_keys, summed


@dataclass(frozen=True, eq=False)
class PrivateAdversarial:
    """Steps of the critic on noisy sums of clipped gradients, and then steps of the generator, which read no rows.

    Attributes:
        game: the losses.
        layout: of the rows.
        plan: sizes and schedule.
        restore: vector -> the generator's params.
        mechanism: what a step of the critic releases.
        made: rows generated for a step, on all devices together.
    """

    game: PrivateGame
    layout: tuple[CodeSpec, ...]
    plan: Plan
    restore: Callable[[jax.Array], Params]
    mechanism: Mechanism
    made: int

    def start(self, vector: jax.Array, key: jax.Array) -> State:
        """See `Stepper`; the key draws the critic's initial parameters."""
        start = self.game.init(key)
        critic = jnp.asarray(Flat.like(start).vector(start))
        opponent = Opponent(critic, ())
        return State(
            jnp.zeros((), jnp.int32), vector, vector.copy(), self._optimiser.init(vector), jnp.ones(()), opponent
        )

    def step(self, rows: Packed, slots: jax.Array, state: State, turn: Turn) -> tuple[State, jax.Array]:
        """See `Stepper`; `slots` are the rows of each subject. The loss is not told."""
        assert state.opponent is not None
        assert turn.noise is not None
        critic_key, generator_key = jax.random.split(turn.key)
        generator = self.restore(state.params)
        count = self.game.critic_steps
        turns = turn.order.reshape(-1, count).T, turn.noise.reshape(count, -1), jax.random.split(critic_key, count)

        def again(critic: Opponent, own: tuple[jax.Array, jax.Array, jax.Array]) -> tuple[Opponent, None]:
            return self._critic_step(rows, slots, generator, critic, own), None

        critic, _ = jax.lax.scan(again, state.opponent, turns)
        judge = self._restore_critic(critic.params)

        def better(
            carry: tuple[jax.Array, optax.OptState], key: jax.Array
        ) -> tuple[tuple[jax.Array, optax.OptState], None]:
            vector, moments = carry
            keys, weight = self._made(key)

            def loss(p: Params) -> jax.Array:
                return (weight * self.game.generator_loss(judge, self.game.generate(p, keys))).sum()

            grads = summed(jax.grad(loss)(self.restore(vector))) / self.made
            updates, moments = self._optimiser.update(grads, moments, vector)
            return (vector - turn.rate * updates, moments), None

        keys = jax.random.split(generator_key, self.game.generator_steps)
        (params, optimiser), _ = jax.lax.scan(better, (state.params, state.optimiser), keys)
        average = averaged(state, params, self.plan)
        return State(state.step + 1, params, average, optimiser, state.scale, critic), jnp.zeros(())

    def _critic_step(
        self,
        rows: Packed,
        slots: jax.Array,
        generator: Params,
        critic: Opponent,
        own: tuple[jax.Array, jax.Array, jax.Array],
    ) -> Opponent:
        order, noise, key = own
        params = self._restore_critic(critic.params)
        clip = self.mechanism.row_clip
        batch, weight = gathered(self.layout, rows, slots, order)
        total, _ = ghost.clipped_sum(lambda p: self.game.real_loss(p, batch), params, weight, clip)
        # Generated rows are free, but clipped alike: else they would outweigh the real ones.
        keys, weight = self._made(key)
        made = self.game.generate(generator, keys)
        free, _ = ghost.clipped_sum(lambda p: self.game.made_loss(p, made), params, weight, clip)
        grads = self.mechanism.mean(summed(total), noise) + summed(free) / self.made
        # Gradient steps with as much decay: the critic forgets, so that noise averages and nothing grows.
        return Opponent(critic.params - self.game.critic_rate * (grads + critic.params), ())

    def _made(self, key: jax.Array) -> tuple[RowKeys, jax.Array]:
        """Keys of the rows that a device generates, and float32 weights: 0 for those that make shares even."""
        keys = row_keys(key, -(-self.made // jax.lax.axis_size(AXIS)))
        return keys, (keys.place < self.made).astype(jnp.float32)

    @property
    def _restore_critic(self) -> Callable[[jax.Array], Params]:
        return Flat.of(self.game.init).restore

    @property
    def _optimiser(self) -> optax.GradientTransformation:
        return direction(self.plan.training, *self.game.betas)
