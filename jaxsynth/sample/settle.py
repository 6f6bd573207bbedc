"""`Component`: columns tied together by rules, and the bounded stages that bring broken rows to keep them all."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from jaxsynth.errors import SchemaError
from jaxsynth.sample.domain import Domain, Mask
from jaxsynth.sample.repairs import Move, Repair
from jaxsynth.sample.slots import Index, Rows, Slot
from jaxsynth.schema.cells import Numbers

_DONORS = 512  # made-up rows to start from; those that come to keep all rules can lend their cells
_PIECE = 4096  # rows compared with all donors at once


@dataclass(frozen=True, eq=False)
class Component:
    """Rules that share columns, directly or through other rules.

    Attributes:
        slots: the columns.
        repairs: one a rule, in the schema's order.
    """

    slots: tuple[Slot, ...]
    repairs: tuple[Repair, ...]

    def broken(self, rows: Rows) -> Mask:
        """Where some rule is broken. Shape (n,)."""
        wrong = self.repairs[0].broken(rows)
        for repair in self.repairs[1:]:
            wrong = wrong | repair.broken(rows)
        return wrong

    def settle(self, rows: Rows) -> None:
        """Change `rows`, in place, to keep every rule.

        Raises:
            SchemaError: rows that no allowed change brings to keep the rules.
        """
        left = self._try_stages(rows)
        for at in np.array_split(left, -(-len(left) // _PIECE) or 1):
            if len(at):
                rows.put(at, self._borrow(rows.take(at)))

    def _try_stages(self, rows: Rows) -> Index:
        """Repair what moves and emptied cells can; returns the rows that still break a rule."""
        # Enough for a change to travel through a chain of all columns and back.
        rounds = 2 * (len(self.slots) + len(self.repairs))
        at = np.flatnonzero(self.broken(rows))
        for stage in (_gentle, _careful, self._empty):
            for turn in range(rounds):
                if not len(at):
                    return at
                part = rows.take(at)
                for repair in self.repairs:
                    stage(repair, part, turn)
                rows.put(at, part)
                at = at[self.broken(part)]
        return at

    def _empty(self, repair: Repair, rows: Rows, turn: int) -> None:
        """Empty one cell of the rule, its last column's first: a null breaks no rule."""
        can = {s.name for s in self.slots if s.can_be_null}
        name = next((n for n in reversed(repair.rule.columns) if n in can), None)
        if name is not None:
            rows.valid[name][repair.broken(rows)] = False

    def _borrow(self, rows: Rows) -> Rows:
        """For each row the made-up row that agrees with it in most columns."""
        donors = self._donors
        if donors.count == 0:
            raise self._stuck(rows)
        same = np.zeros((rows.count, donors.count), np.int16)
        for slot in self.slots:
            same += rows.values[slot.name][:, None] == donors.values[slot.name]
        return donors.take(same.argmax(1))

    @cached_property
    def _donors(self) -> Rows:
        """Rows that keep all rules, made from starts that are the same in every run."""
        rng = np.random.default_rng(0)
        values = {s.name: _starts(s.domain, rng) for s in self.slots}
        rows = Rows(values, {n: np.ones(_DONORS, np.bool_) for n in values})
        self._try_stages(rows)
        return rows.take(~self.broken(rows))

    def _stuck(self, rows: Rows) -> SchemaError:
        counts = [(r.rule, int(r.broken(rows).sum())) for r in self.repairs]
        shown = ", ".join(f"'{rule}' ({count} rows)" for rule, count in counts if count)
        return SchemaError(
            f"constraints contradict each other or the condition: no change of cells keeps {shown}; "
            "drop one, widen bounds, or declare a column nullable"
        )


def components(slots: dict[str, Slot], repairs: tuple[Repair, ...]) -> tuple[Component, ...]:
    """The rules, put together where they share a column, otherwise in their order."""
    groups: list[tuple[set[str], list[Repair]]] = []
    for repair in repairs:
        names, joined = set(repair.rule.columns), [repair]
        touching = [g for g in groups if g[0] & names]
        for other in touching:
            names |= other[0]
            joined = other[1] + joined
        groups = [g for g in groups if not any(g is t for t in touching)] + [(names, joined)]
    order = {id(r): i for i, r in enumerate(repairs)}
    return tuple(
        Component(
            slots=tuple(s for n, s in slots.items() if n in names),
            repairs=tuple(sorted(joined, key=lambda r: order[id(r)])),
        )
        for names, joined in groups
    )


def _starts(domain: Domain, rng: np.random.Generator) -> Numbers:
    """Admissible values spread over the domain. Shape (_DONORS,)."""
    if domain.points is not None:
        return rng.choice(domain.points, _DONORS)
    # Where a column has no bounds, numbers beyond these would only lose the digits that sums need.
    low = max(domain.low, min(-1e6, domain.high))
    return domain.closest(rng.uniform(low, min(domain.high, max(1e6, domain.low)), _DONORS))


def _gentle(repair: Repair, rows: Rows, turn: int) -> None:
    _move(repair, repair.moves, rows)


def _careful(repair: Repair, rows: Rows, turn: int) -> None:
    """Another move first in every turn, so that rules do not undo each other in step."""
    first = turn % len(repair.cautious)
    _move(repair, repair.cautious[first:] + repair.cautious[:first], rows)


def _move(repair: Repair, moves: tuple[Move, ...], rows: Rows) -> None:
    at = np.flatnonzero(repair.broken(rows))
    for move in moves:
        if not len(at):
            return
        at = at[~move(rows, at)]
