"""Many fits of one model to rows of one table: one compiled program, and fits side by side where that is faster.

Each fit is what `train` makes of its rows and its seed: the same steps, held-out rows, cuts of the learning rate,
stop and calibration. Only the chunk's program differs: it has an axis of fits, shared over the devices and
vectorised (`jax.vmap`) on each. Accelerators take all fits at once. On CPUs batched products are slow (a fit takes
several times as long, see `benchmarks.shadows`), so each device takes one fit after the other; what is saved there
is compiling anew for each.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Packed
from jaxsynth.errors import TrainingError
from jaxsynth.models import Model, Params, Training
from jaxsynth.train.course import Course, History
from jaxsynth.train.flat import Flat
from jaxsynth.train.loop import Progress, finished, make_stepper
from jaxsynth.train.plan import Plan, make_plan, split_rows
from jaxsynth.train.scoring import Scoring, make_scoring, take
from jaxsynth.train.side_by_side import SideBySide
from jaxsynth.train.steps import State, Stepper


def train_many(
    model: Model,
    layout: tuple[CodeSpec, ...],
    data: Packed,
    rows: NDArray[np.int64],
    training: Training,
    *,
    seeds: Sequence[int],
    ending: Callable[[int], Model] | None = None,
    side_by_side: int | None = None,
    report: Callable[[Progress], None] | None = None,
) -> Iterator[tuple[Params, History]]:
    """Fit parameters to many sets of rows of one table.

    Fit s has, up to rounding, the result of `train` on `take(data, rows[s])` and `seeds[s]` on one device,
    whichever fits run beside it. The table lies on each device once. Works for every model that `train` works
    for: no step calls compiled code of our own, which could not be vectorised.

    Args:
        model: the generator's functions.
        layout: what the columns of `data` are.
        data: the table.
        rows: int64 (s, n), numbers of the rows of each fit, n >= 1.
        training: batch size, schedule, stopping.
        seeds: of each fit; see `train`.
        ending: number of a fit -> the model by which it is calibrated and finished, if that is not `model`.
        side_by_side: how many fits run at once; by default all on accelerators, and on CPUs one a device.
        report: called after each chunk, with means over the fits that run.

    Yields:
        The parameters and history of each fit, in order, as soon as those beside it are done.

    Raises:
        TrainingError: no pass of a fit had a finite loss.
    """
    size = _size(len(rows), side_by_side)
    fits = _Fits.make(model, layout, data, rows.shape[1], training, size)
    groups = range(0, len(rows), size)
    for done, start in enumerate(groups):
        # The last group is filled up with copies of its last fit: another size would be another program.
        which = np.minimum(np.arange(start, start + size), len(rows) - 1)
        ends = [model if ending is None else ending(int(s)) for s in which]
        group = [fits.prepare(end, rows[s], seeds[s]) for end, s in zip(ends, which, strict=True)]
        courses = fits.run(group, _overall(report, done, len(groups), fits.plan))
        for s, fit, course in zip(which, group, courses[: len(rows) - start], strict=False):
            try:
                params = finished(fit.model, fit.scoring, fits.flat, course.best, fit.init_key)
            except TrainingError as error:
                raise TrainingError(f"fit {s}: {error}") from error
            yield params, course.best.history


def _size(count: int, wanted: int | None) -> int:
    """Fits of a group, so that all groups are about alike."""
    if wanted is None:
        wanted = count if jax.default_backend() != "cpu" else len(jax.local_devices())
    groups = -(-count // max(1, min(wanted, count)))
    return -(-count // groups)


def _overall(
    report: Callable[[Progress], None] | None, done: int, groups: int, plan: Plan
) -> Callable[[int, int, list[Course]], None]:
    """Reports of a group as reports of all groups; a group that stops early ends with a jump."""

    def tell(chunk: int, running: int, courses: list[Course]) -> None:
        if report is None:
            return
        loss = float(np.mean([c.best.history.losses[-1] for c in courses]))
        held = [c.best.history.held_out[-1] for c in courses if c.best.history.held_out]
        rows = plan.steps * plan.batch * running
        number = done * plan.chunks + chunk + 1
        report(Progress(number, groups * plan.chunks, rows, loss, float(np.mean(held)) if held else None))

    return tell


class _Fit(NamedTuple):
    """One fit before its first step; see `train` for the keys."""

    model: Model  # calibrates and finishes it
    kept: NDArray[np.int64]  # rows of the table it is trained on
    scoring: Scoring
    state: State
    init_key: jax.Array
    run_key: jax.Array


@dataclass(eq=False)
class _Fits:
    """What all fits have in common."""

    model: Model
    layout: tuple[CodeSpec, ...]
    data: Packed
    training: Training
    plan: Plan
    flat: Flat
    stepper: Stepper
    programs: SideBySide
    init: Callable[[jax.Array], Params]
    scoring: Scoring | None = None  # of the first fit: the others use its program

    @classmethod
    def make(
        cls, model: Model, layout: tuple[CodeSpec, ...], data: Packed, rows: int, training: Training, size: int
    ) -> _Fits:
        """For fits of `rows` rows, `size` of them at once."""
        plan = make_plan(len(split_rows(rows, training, 0)[0]), training)
        flat = Flat.of(model.init)
        stepper = make_stepper(model, layout, plan, flat)
        programs = SideBySide.make(plan, stepper, data, size)
        return cls(model, layout, data, training, plan, flat, stepper, programs, jax.jit(model.init))

    def prepare(self, ending: Model, rows: NDArray[np.int64], seed: int) -> _Fit:
        """As `train` begins."""
        kept, held = (rows[own] for own in split_rows(len(rows), self.training, seed))
        init_key, run_key, eval_key = jax.random.split(jax.random.key(seed), 3)
        held_rows, own = take(self.data, held), take(self.data, kept)
        if self.scoring is None:
            self.scoring = make_scoring(self.model, self.layout, self.plan, held_rows, own, eval_key)
        vector = jnp.asarray(self.flat.vector(self.init(init_key)))
        state = self.stepper.start(vector, jax.random.fold_in(init_key, 1))
        scoring = self.scoring.of(ending, held_rows, own, eval_key)
        return _Fit(ending, kept, scoring, state, init_key, run_key)

    def run(self, group: list[_Fit], tell: Callable[[int, int, list[Course]], None]) -> list[Course]:
        """Chunk after chunk until the last of the fits has ended."""
        courses = [Course.start(self.plan, fit.state) for fit in group]
        states = self.programs.placed(_stacked([fit.state for fit in group]))
        keys = self.programs.placed(jnp.stack([fit.run_key for fit in group]))
        which = self.programs.placed(np.stack([fit.kept for fit in group]).astype(np.int32))
        resident = self.programs.resident(which)
        for chunk in range(self.plan.chunks):
            states, losses = self.programs.chunk(states, which, resident, keys)
            going = [i for i, course in enumerate(courses) if not course.ended]
            states = self._judged(group, courses, states, np.asarray(losses), chunk)
            tell(chunk, len(going), [courses[i] for i in going])
            if all(course.ended for course in courses):
                break
        return courses

    def _judged(
        self, group: list[_Fit], courses: list[Course], states: State, losses: NDArray[np.float32], chunk: int
    ) -> State:
        """Take every fit's course further; the states to go on from. Fits that have ended are computed in vain."""
        average, step, scale = jax.device_get((states.average, states.step, states.scale))
        for i, fit in enumerate(group):
            if courses[i].ended:
                continue
            own = State(step[i], average[i], average[i], (), scale[i])
            score = fit.scoring.held_out(self.flat.on_host(average[i]))
            courses[i], after = courses[i].after(chunk, own, float(losses[i]), score)
            if after is not own:
                states = _set(states, i, after)
        return states


def _stacked(states: list[State]) -> State:
    return jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)  # type: ignore[no-any-return]


def _set(states: State, i: int, own: State) -> State:
    """Fit i goes on from other parameters, at another rate."""
    return states._replace(
        params=states.params.at[i].set(own.params),
        average=states.average.at[i].set(own.average),
        scale=states.scale.at[i].set(own.scale),
    )
