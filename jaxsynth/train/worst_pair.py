"""The two tables that private training hides from each other the least, and what an attacker sees of many runs.

One table has a subject more, whose gradient is far beyond the clipping norm and at right angles to those of all
others, whatever the parameters. An attacker who knows that adds up each noisy sum's entry in that direction (Nasr
et al. 2021, "Adversary instantiation"): with all subjects in every batch he learns all that the accounting allows.
Rows, batches, clipping, the grid and the noise go the way of every private training.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.affine import added
from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.devices import compiled_method
from jaxsynth.models import Batch, Model, Params, Training
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.privacy.randomness import Randomness
from jaxsynth.train.loop import take_steps
from jaxsynth.train.mesh import WHOLE
from jaxsynth.train.private_run import PrivateRun, prepare
from jaxsynth.train.private_steps import PrivateLikelihood
from jaxsynth.train.steps import Draws, State, Turn

_LAYOUT = (CodeSpec("target", np.ones(2, np.int64), np.full(2, np.nan), np.zeros(2, bool), np.zeros(2, bool)),)
_FAR = 1e3  # norm of a gradient, in clipping norms
_TRAINING = Training(
    batch=1, epochs=1, min_steps=1, learning_rate=1e-3, weight_decay=0.0, validation=0.0, patience=1.0, settle=0.0,
    ema=0.0,
)  # fmt: skip

Scores = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class WorstPair:
    """Trainings of two parameters, one on either table.

    Attributes:
        present: with the subject.
        absent: without.
    """

    present: _Side
    absent: _Side

    @classmethod
    def make(cls, event: TrainingEvent, *, others: int, randomness: Randomness) -> WorstPair:
        """With the steps, batches and noise of `event`, whose sums have two entries, beside `others` subjects."""
        codes = np.append(np.zeros(others, np.uint8), np.uint8(1))
        return cls(*(_Side.make(codes[:n], event, randomness) for n in (others + 1, others)))

    def scores(self, runs: int) -> tuple[Scores, Scores]:
        """Of `runs` independent runs with the subject and as many without, each (runs,), in clipping norms."""
        return self.present.scores(runs), self.absent.scores(runs)


@dataclass(frozen=True, eq=False)
class _Side:
    """Many runs of one training at once."""

    ready: PrivateRun
    stepper: _Seen

    @classmethod
    def make(cls, codes: NDArray[np.uint8], event: TrainingEvent, randomness: Randomness) -> _Side:
        n = len(codes)
        rows = Packed(
            (codes[:, None], np.zeros((n, 0), np.uint16), np.zeros((n, 0), np.uint32)),
            np.zeros((n, 0), np.float32),
        )
        ready = prepare(
            _model(_FAR * event.clipping_norm), _LAYOUT, rows, np.arange(n)[:, None], _TRAINING, event,
            seed=0, randomness=randomness,
        )  # fmt: skip
        assert isinstance(ready.runner.stepper, PrivateLikelihood)
        return cls(ready, _Seen(ready.runner.stepper))

    def scores(self, runs: int) -> Scores:
        steps = self.ready.mechanism.event.steps
        own: Draws = jax.tree.map(lambda a: a.reshape(runs, steps, *a.shape[1:]), self.ready.draws(runs * steps))
        return np.asarray(self._program(self.ready.state, self.ready.data, self.ready.key, own))

    @compiled_method
    def _program(self, state: State, data: tuple[Packed, jax.Array], key: jax.Array, draws: Draws) -> jax.Array:
        def one(start: State, data: tuple[Packed, jax.Array], key: jax.Array, own: Draws) -> jax.Array:
            last, _ = take_steps(self.ready.runner.plan, self.stepper, start, data, key, *own)
            assert last.scores is not None
            return last.scores

        many = jax.shard_map(
            jax.vmap(one, in_axes=(None, None, None, 0)),
            mesh=self.ready.runner.mesh,
            in_specs=WHOLE,
            out_specs=WHOLE,
            check_vma=False,
        )
        out: jax.Array = many(state._replace(scores=jnp.zeros(())), data, key, draws)
        return out


@dataclass(frozen=True, eq=False)
class _Seen:
    """Steps of private training, and what their sums tell of the target."""

    private: PrivateLikelihood

    def step(self, rows: Packed, slots: jax.Array, state: State, turn: Turn) -> tuple[State, jax.Array]:
        assert state.scores is not None
        mechanism = self.private.mechanism
        mean = mechanism.mean(self.private.total(rows, slots, state, turn), turn.noise)
        after = self.private.plain.descended(state, mean, turn.rate)
        seen = mean[1] * (mechanism.expected / mechanism.event.clipping_norm)
        return after._replace(scores=state.scores + seen), jnp.zeros(())


def _model(norm: float) -> Model:
    """Gradients of a norm: of the target in the second parameter, of the others in the first."""

    def loss(params: Params, batch: Batch, keys: RowKeys, progress: jax.Array) -> jax.Array:
        target = batch.codes[:, 0].astype(jnp.float32)
        entries = added(params["w"], jnp.zeros((2, len(target))))
        return norm * (entries * jnp.stack([1 - target, target])).sum(0)

    return Model(
        init=lambda key: {"w": jnp.zeros(2)},
        loss=loss,
        sample=lambda params, key, n, condition: Batch(jnp.zeros((n, 1), jnp.int32), jnp.zeros((n, 0))),
    )
