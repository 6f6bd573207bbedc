"""One repair a rule kind: which rows break it, and moves that make a broken row keep it, gentlest first.

A move changes what it can among the rows it is given and says which rows it served. Moves that touch
conditioned columns come after all others, and even those stay inside the condition: a `Slot`'s domain.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from jaxsynth.sample.domain import Mask
from jaxsynth.sample.slots import Index, Rows, Slot
from jaxsynth.sample.spread import spread
from jaxsynth.schema.cells import Numbers
from jaxsynth.schema.constraints import Constraint, FixedSum, FunctionalDependency, Implication, Inequality

Move = Callable[[Rows, Index], Mask]
Step = tuple[tuple[Slot, ...], Move]  # the columns that a move changes, and the move


def ranked(*steps: Step) -> tuple[Move, ...]:
    """The moves, those that change the fewest conditioned columns first."""
    return tuple(move for _, move in sorted(steps, key=lambda s: sum(not slot.free for slot in s[0])))


@dataclass(frozen=True, eq=False)
class InequalityRepair:
    """Swap the two values where each fits the other column, else move one to the other."""

    rule: Inequality
    low: Slot
    high: Slot

    def broken(self, rows: Rows) -> Mask:
        """Where low exceeds high. Shape (n,)."""
        low, high = rows.values[self.low.name], rows.values[self.high.name]
        wrong = low >= high if self.rule.strict else low > high
        return rows.present(self.rule.columns) & wrong

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """Gentlest first: a swap keeps both columns' distributions as a whole."""
        return ranked(((self.low, self.high), self._swap), *self._clips())

    @cached_property
    def cautious(self) -> tuple[Move, ...]:
        """Without swaps, which can run in circles."""
        return ranked(*self._clips())

    def _clips(self) -> tuple[Step, ...]:
        return ((self.low,), self._lower), ((self.high,), self._raise), ((self.low, self.high), self._meet)

    def _swap(self, rows: Rows, at: Index) -> Mask:
        low, high = rows.values[self.low.name][at], rows.values[self.high.name][at]
        done = self.low.domain.contains(high) & self.high.domain.contains(low) & np.not_equal(low, high)
        rows.set(self.low, at[done], high[done])
        rows.set(self.high, at[done], low[done])
        return done

    def _lower(self, rows: Rows, at: Index) -> Mask:
        high = rows.values[self.high.name][at]
        value, done = self.low.domain.nearest(high, -1, strict=self.rule.strict)
        rows.set(self.low, at[done], value[done])
        return done

    def _raise(self, rows: Rows, at: Index) -> Mask:
        low = rows.values[self.low.name][at]
        value, done = self.high.domain.nearest(low, 1, strict=self.rule.strict)
        rows.set(self.high, at[done], value[done])
        return done

    def _meet(self, rows: Rows, at: Index) -> Mask:
        low = self.low.domain.closest(rows.values[self.high.name][at])
        value, done = self.high.domain.nearest(low, 1, strict=self.rule.strict)
        rows.set(self.low, at[done], low[done])
        rows.set(self.high, at[done], value[done])
        return done


@dataclass(frozen=True, eq=False)
class ImplicationRepair:
    """Make the conclusion true; where that cannot be, leave the premise for its most frequent other level."""

    rule: Implication
    when: Slot
    then: Slot
    equals: Slot | None
    premises: frozenset[tuple[str, float]]  # (column, value) of every implication: levels that demand something

    @cached_property
    def _premise(self) -> float:
        return self.when.constant(self.rule.when_value)

    @cached_property
    def _target(self) -> float:
        assert self.rule.then_value is not None
        return self.then.constant(self.rule.then_value)

    def broken(self, rows: Rows) -> Mask:
        """Where the premise holds and the conclusion does not. Shape (n,)."""
        found = rows.values[self.then.name]
        wanted = self._target if self.equals is None else rows.values[self.equals.name]
        premise = np.equal(rows.values[self.when.name], self._premise)
        return rows.present(self.rule.columns) & premise & np.not_equal(found, wanted)

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """The conclusion first."""
        return ranked(*self._conclude(), ((self.when,), self._leave))

    @cached_property
    def cautious(self) -> tuple[Move, ...]:
        """The premise first, to a level that demands nothing if there is one."""
        return ranked(((self.when,), self._leave), *self._conclude())

    def _conclude(self) -> tuple[Step, ...]:
        if self.equals is None:
            return (((self.then,), self._set_value),)
        return (
            ((self.then,), self._copy(self.equals, self.then)),
            ((self.equals,), self._copy(self.then, self.equals)),
            ((self.then, self.equals), self._meet),
        )

    def _set_value(self, rows: Rows, at: Index) -> Mask:
        value = np.full(len(at), self._target)
        done = self.then.domain.contains(value)
        rows.set(self.then, at[done], value[done])
        return done

    def _copy(self, source: Slot, target: Slot) -> Move:
        def copy(rows: Rows, at: Index) -> Mask:
            value = rows.values[source.name][at]
            done = target.domain.contains(value)
            rows.set(target, at[done], value[done])
            return done

        return copy

    def _meet(self, rows: Rows, at: Index) -> Mask:
        """A value that both columns admit, near where they are."""
        assert self.equals is not None
        served = np.zeros(len(at), np.bool_)
        if self.then.domain.empty or self.equals.domain.empty:
            return served
        for name in (self.then.name, self.equals.name):
            value = self.then.domain.closest(self.equals.domain.closest(rows.values[name][at]))
            done = ~served & self.equals.domain.contains(value)
            rows.set(self.then, at[done], value[done])
            rows.set(self.equals, at[done], value[done])
            served |= done
        return served

    def _leave(self, rows: Rows, at: Index) -> Mask:
        others = self._others
        if len(others):
            rows.set(self.when, at, others[0])
        return np.full(len(at), len(others) > 0)

    @cached_property
    def _others(self) -> Numbers:
        """Values that do not meet the premise, best first: one that demands nothing, then the most frequent."""
        domain = self.when.domain
        here = np.array([self._premise])
        if domain.points is not None:
            known = self.when.by_weight(domain.points[domain.points != self._premise])
        else:
            sides = [domain.nearest(here, side, strict=True) for side in (1, -1)]
            known = np.concatenate([value[ok] for value, ok in sides])
        demanding = np.array([(self.when.name, v) in self.premises for v in known.tolist()], np.bool_)
        return known[np.argsort(demanding, kind="stable")]


_DENSE = 1 << 16  # widest range of whole numbers that is looked up in a table instead of searched


class Finder:
    """Where values are among sorted, distinct `known` ones."""

    def __init__(self, known: Numbers) -> None:
        self.known = known
        self._table: Index | None = None
        if len(known) and known.dtype.kind == "i" and known[-1] - known[0] < _DENSE:
            # A slot more at either end catches all values outside.
            self._table = np.full(int(known[-1] - known[0]) + 3, -1)
            self._table[known - known[0] + 1] = np.arange(len(known))

    def find(self, values: Numbers) -> tuple[Index, Mask]:
        """The place of each value, and whether it is there at all; places of others are meaningless."""
        if self._table is not None and values.dtype.kind == "i":
            i = self._table.take(values - (self.known[0] - 1), mode="clip")
            return i, i >= 0
        i = np.minimum(np.searchsorted(self.known, values), len(self.known) - 1)
        return i, np.equal(self.known[i], values)


@dataclass(frozen=True, eq=False)
class DependencyRepair:
    """Set the dependent by the mapping; where that cannot be, set the determinant by the mapping's inverse."""

    rule: FunctionalDependency
    determinant: Slot
    dependent: Slot

    @cached_property
    def _pairs(self) -> tuple[Numbers, Numbers]:
        left = [self.determinant.constant(a) for a, _ in self.rule.mapping]
        right = [self.dependent.constant(b) for _, b in self.rule.mapping]
        return np.array(left), np.array(right)

    @cached_property
    def _known(self) -> tuple[Finder, Finder, Finder]:
        """Where values of either side are among those of the mapping, and which pairs of places are in it."""
        left, right = (Finder(np.unique(side)) for side in self._pairs)
        return left, right, Finder(np.unique(self._number(left, right, *self._pairs)[0]))

    @staticmethod
    def _number(left: Finder, right: Finder, a: Numbers, b: Numbers) -> tuple[Index, Mask]:
        """One number for each pair of values, and whether both are known."""
        (i, has_i), (j, has_j) = left.find(a), right.find(b)
        return i * len(right.known) + j, has_i & has_j

    def broken(self, rows: Rows) -> Mask:
        """Where the pair is not in the mapping. Shape (n,)."""
        present = rows.present(self.rule.columns)
        if not self.rule.mapping:
            return present
        left, right, numbers = self._known
        determinant, dependent = rows.values[self.determinant.name], rows.values[self.dependent.name]
        number, known = self._number(left, right, determinant, dependent)
        return present & ~(known & numbers.find(number)[1])

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """The dependent first."""
        left, right = self._pairs
        both = (self.determinant, self.dependent)
        return ranked(
            ((self.dependent,), self._look_up(self.determinant, self.dependent, left, right)),
            ((self.determinant,), self._look_up(self.dependent, self.determinant, right, left)),
            (both, self._set_pair),
        )

    @property
    def cautious(self) -> tuple[Move, ...]:
        """The same."""
        return self.moves

    def _look_up(self, source: Slot, target: Slot, keys: Numbers, values: Numbers) -> Move:
        """Set `target` to the most frequent admissible value that the mapping has for the source's value."""
        best = {}
        for value in target.by_weight(values)[::-1].tolist() if len(values) else []:
            best.update(dict.fromkeys(keys[values == value].tolist(), value))
        known = Finder(np.array(sorted(best)))
        wanted = np.array([best[k] for k in sorted(best)])

        def look_up(rows: Rows, at: Index) -> Mask:
            if not best:
                return np.zeros(len(at), np.bool_)
            i, done = known.find(rows.values[source.name][at])
            rows.set(target, at[done], wanted[i[done]])
            return done

        return look_up

    def _set_pair(self, rows: Rows, at: Index) -> Mask:
        left, right = self._pairs
        fits = self.determinant.domain.contains(left) & self.dependent.domain.contains(right)
        first = self.determinant.by_weight(left[fits])[:1]
        if len(first):
            rows.set(self.determinant, at, first[0])
            rows.set(self.dependent, at, self.dependent.by_weight(right[fits & (left == first[0])])[0])
        return np.full(len(at), len(first) > 0)


@dataclass(frozen=True, eq=False)
class SumRepair:
    """Spread the difference over the parts in proportion to their values, on their grids."""

    rule: FixedSum
    parts: tuple[Slot, ...]

    def broken(self, rows: Rows) -> Mask:
        """Where the sum is off. Shape (n,)."""
        total = np.zeros(rows.count)
        for slot in self.parts:
            total += rows.values[slot.name].astype(np.float64)
        return rows.present(self.rule.columns) & (np.abs(total - self.rule.total) > self.rule.tolerance)

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """Over the free parts; where they cannot take it, over all."""
        free = tuple(s for s in self.parts if s.free)
        return tuple(self._over(parts) for parts in dict.fromkeys((free, self.parts)) if parts)

    @cached_property
    def cautious(self) -> tuple[Move, ...]:
        """The whole difference into one part, so that other rules can settle the others; then as above."""
        return (*ranked(*(((s,), self._over((s,))) for s in reversed(self.parts))), *self.moves)

    def _over(self, movable: tuple[Slot, ...]) -> Move:
        def move(rows: Rows, at: Index) -> Mask:
            here = rows.take(at)
            parts = [here.values[s.name] for s in movable]
            domains = [s.domain for s in movable]
            values = spread(domains, parts, self._due(here, movable), self.rule.tolerance)
            for slot, value in zip(movable, values, strict=True):
                here.set(slot, np.arange(len(at)), value)
            done = ~self.broken(here)
            rows.put(at[done], here.take(done))
            return done

        return move

    def _due(self, rows: Rows, movable: tuple[Slot, ...]) -> NDArray[np.float64]:
        """What the movable parts have to add up to. Shape (n,)."""
        due = np.full(rows.count, float(self.rule.total))
        for slot in self.parts:
            if slot not in movable:
                due -= rows.values[slot.name].astype(np.float64)
        return due


Repair = InequalityRepair | ImplicationRepair | DependencyRepair | SumRepair


def repairs_of(rules: Sequence[Constraint], slots: Mapping[str, Slot]) -> tuple[Repair, ...]:
    """One repair a rule, in order."""
    premises = frozenset(
        (r.when_column, slots[r.when_column].constant(r.when_value)) for r in rules if isinstance(r, Implication)
    )
    return tuple(_repair(r, slots, premises) for r in rules)


def _repair(rule: Constraint, slots: Mapping[str, Slot], premises: frozenset[tuple[str, float]]) -> Repair:
    if isinstance(rule, Inequality):
        return InequalityRepair(rule, slots[rule.low], slots[rule.high])
    if isinstance(rule, FunctionalDependency):
        return DependencyRepair(rule, slots[rule.determinant], slots[rule.dependent])
    if isinstance(rule, FixedSum):
        return SumRepair(rule, tuple(slots[n] for n in rule.parts))
    assert isinstance(rule, Implication)
    equals = None if rule.then_equals is None else slots[rule.then_equals]
    return ImplicationRepair(rule, slots[rule.when_column], slots[rule.then_column], equals, premises)
