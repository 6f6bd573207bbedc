"""Where a run has come to: its losses, the parameters kept, and whether it goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import jax

from jaxsynth.train.plan import Plan
from jaxsynth.train.steps import State

_CUT = 1 / 3  # of the learning rate where the held-out rows stop improving


@dataclass(frozen=True)
class History:
    """What training did.

    Attributes:
        losses: mean training loss, one a chunk: nats a row, or the critic's loss.
        held_out: loss of the averaged parameters on held-out rows, one a chunk; empty without hold-out.
        best: index of the chunk whose parameters were kept.
        steps: optimiser steps taken.
        stopped: "finished", "early" or "interrupted".
    """

    losses: tuple[float, ...] = ()
    held_out: tuple[float, ...] = ()
    best: int = -1
    steps: int = 0
    stopped: str = "finished"


@dataclass(frozen=True)
class Best:
    """The parameters kept so far and why."""

    params: jax.Array
    history: History
    score: float = math.inf

    def updated(self, state: State, loss: float, score: float | None, *, settled: bool) -> Best:
        """Take the newest averaged parameters unless a settled epoch did better on the held-out rows."""
        old = self.history
        held = old.held_out if score is None else (*old.held_out, score)
        new = replace(old, losses=(*old.losses, loss), held_out=held, steps=int(state.step))
        rank = math.inf if score is None or not settled else score
        if rank > self.score or not math.isfinite(loss + (score or 0.0)):
            return replace(self, history=new)
        return Best(state.average.copy(), replace(new, best=len(new.losses) - 1), rank)

    def ended(self, how: str) -> Best:
        """Stopped for a reason; see `History.stopped`."""
        return replace(self, history=replace(self.history, stopped=how))


@dataclass(frozen=True)
class Course:
    """Where a run has come to, and whether it goes on.

    Attributes:
        plan: sizes and schedule.
        best: the parameters kept so far.
        cuts: of the learning rate that are left.
        since: the chunk from which patience counts.
    """

    plan: Plan
    best: Best
    cuts: int
    since: int

    @classmethod
    def start(cls, plan: Plan, state: State) -> Course:
        """Before the first chunk."""
        return cls(plan, Best(params=state.params.copy(), history=History()), plan.training.cuts, plan.settled)

    @property
    def ended(self) -> bool:
        """Whether the held-out rows say stop."""
        return self.best.history.stopped == "early"

    def after(self, chunk: int, state: State, loss: float, score: float | None) -> tuple[Course, State]:
        """The course after a chunk, and the state to go on from."""
        best = self.best.updated(state, loss, score, settled=chunk >= self.plan.settled)
        if chunk - max(best.history.best, self.since) < self.plan.patience:
            return replace(self, best=best), state
        if not self.cuts:
            return replace(self, best=best.ended("early")), state
        return replace(self, best=best, cuts=self.cuts - 1, since=chunk), _cut(state, best)


def _cut(state: State, best: Best) -> State:
    """Go on from the best parameters at a third of the learning rate."""
    return state._replace(params=best.params.copy(), average=best.params.copy(), scale=state.scale * _CUT)
