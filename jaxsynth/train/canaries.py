"""Made-up subjects in a private training, whose traces its noisy sums must hide: a white-box audit in one run.

Steinke, Nasr and Jagielski (2023), "Privacy auditing with one (1) training run", with the gradient canaries of
Nasr et al. (2023), "Tight auditing of differentially private machine learning". The attacker chose the canaries'
gradients, knows the rows' own and sees every noisy sum; what he does not know is which canaries were there.

A canary's gradient is the clipping norm at one coordinate of the parameters, which no other canary shares. Adding
and scoring all of them is then a scatter and a gather of m numbers, where random directions would take a product
with an (m, p) matrix each; and no canary disturbs another's score, so the scores are independent and as far apart
as the mechanism admits. The coordinates are evenly spaced: a layer that was left without noise would show.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.codec.packed import Packed
from jaxsynth.errors import PrivacyError
from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.privacy.randomness import Randomness
from jaxsynth.train.loop import Progress
from jaxsynth.train.private_run import PrivateRun
from jaxsynth.train.private_steps import PrivateLikelihood
from jaxsynth.train.steps import Draws, State, Turn


@dataclass(frozen=True, kw_only=True, eq=False)
class CanaryScores:
    """What the attacker has after a run. Scores say nothing of the rows: their own sums are taken out.

    Attributes:
        scores: float32 (m,), sums over all steps in units of the clipping norm; larger where a canary was there.
        included: bool (m,), where it was: fair coins.
        event: the training that was attacked, and what it claims.
    """

    scores: NDArray[np.float32]
    included: NDArray[np.bool_]
    event: TrainingEvent

    @property
    def present(self) -> NDArray[np.float32]:
        """Scores of the canaries that were there."""
        return self.scores[self.included]

    @property
    def absent(self) -> NDArray[np.float32]:
        """Scores of those that were not."""
        return self.scores[~self.included]


def audit_training(
    ready: PrivateRun,
    canaries: int,
    randomness: Randomness,
    *,
    report: Callable[[Progress], None] | None = None,
) -> CanaryScores:
    """Run a private training with canaries. Its parameters are dropped: they answer for more than the rows.

    Args:
        ready: the training.
        canaries: how many, >= 2, each included by a fair coin.
        randomness: draws the coins and the batches of the canaries.
        report: called after each chunk.

    Raises:
        PrivacyError: the model is trained by a game, or there are fewer than two canaries or more than parameters.
    """
    included = randomness.uniforms(canaries) < 0.5
    state, _ = with_canaries(ready, included, randomness).run(report)
    return CanaryScores(scores=np.asarray(state.scores), included=included, event=ready.mechanism.event)


def with_canaries(ready: PrivateRun, included: NDArray[np.bool_], randomness: Randomness) -> PrivateRun:
    """The same run with canaries (m,), of which those that are `included` join batches as subjects do.

    Raises:
        PrivacyError: see `audit_training`.
    """
    private, event = ready.runner.stepper, ready.mechanism.event
    if not isinstance(private, PrivateLikelihood):
        raise PrivacyError("canaries: the generator is trained by a game; audit one that has a loss for each row")
    m, p = len(included), event.parameters
    if not 2 <= m <= p:
        raise PrivacyError(
            f"canaries: {m} asked for in a training of {p} parameters; give at least 2 and at most one a parameter"
        )
    places = (np.arange(m) * p // m).astype(np.int32)
    there = places[included]
    # Batches are filled up with one canary more, whose place is none.
    stepper = WithCanaries(private, places, np.append(there, p).astype(np.int32))

    def draws(steps: int) -> Draws:
        order, noise = ready.draws(steps)
        return Draws(order, (noise, randomness.batches(steps, len(there), len(there), event.threshold)))

    state = ready.state._replace(scores=jnp.zeros(m))
    return replace(ready, runner=replace(ready.runner, stepper=stepper), state=state, draws=draws)


@dataclass(frozen=True, eq=False)
class WithCanaries:
    """Steps of private training whose sums have canaries in them.

    Attributes:
        private: the steps without.
        places: int32 (m,), coordinate of each canary.
        there: int32 (k + 1,), those of the included ones and, last, p, which is no coordinate.
    """

    private: PrivateLikelihood
    places: NDArray[np.int32]
    there: NDArray[np.int32]

    def step(self, rows: Packed, slots: jax.Array, state: State, turn: Turn) -> tuple[State, jax.Array]:
        """See `Stepper`; `turn.noise` has int32 (k,) besides, which of the included canaries are in the batch."""
        assert state.scores is not None
        noise, joined = turn.noise
        mechanism = self.private.mechanism
        clip = mechanism.event.clipping_norm
        own = self.private.total(rows, slots, state, turn)
        total = own.at[jnp.asarray(self.there)[joined]].add(clip, mode="drop")
        mean = mechanism.mean(total, noise)
        seen = (mean[self.places] * mechanism.expected - own[self.places]) / clip
        after = self.private.plain.descended(state, mean, turn.rate)
        return after._replace(scores=state.scores + seen), jnp.zeros(())
