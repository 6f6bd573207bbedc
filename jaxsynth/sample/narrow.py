"""What the rules and the condition leave of each column's values, and contradictions seen before any row."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from jaxsynth.errors import ConditionError, SchemaError
from jaxsynth.sample.domain import Domain
from jaxsynth.sample.slots import Slot
from jaxsynth.schema.constraints import Constraint, FixedSum, FunctionalDependency, Implication, Inequality

_ROUNDS = 16  # narrowing may stop early: what is left over is found in the rows

Slots = Mapping[str, Slot]


def refuse_contradictions(rules: Iterable[Constraint]) -> None:
    """Rules that no row can keep, whatever its columns' bounds.

    Raises:
        SchemaError: a cycle of inequalities with a strict one in it, or two implications of one premise that
            want different values in one column.
    """
    rules = tuple(rules)
    orders = [r for r in rules if isinstance(r, Inequality)]
    for rule in orders:
        cycle = _path(orders, rule.high, rule.low)
        if rule.strict and cycle is not None:
            shown = ", ".join(f"'{r}'" for r in dict.fromkeys((rule, *cycle)))
            raise SchemaError(f"constraints {shown} contradict each other: no row can keep them; drop one")
    wanted: dict[tuple[object, ...], Implication] = {}
    for one in (r for r in rules if isinstance(r, Implication) and r.then_value is not None):
        other = wanted.setdefault((one.when_column, str(one.when_value), one.then_column), one)
        if other.then_value != one.then_value:
            raise SchemaError(
                f"constraints '{other}' and '{one}' contradict each other: one premise, two conclusions; drop one"
            )


def _path(orders: list[Inequality], begin: str, end: str) -> tuple[Inequality, ...] | None:
    """Inequalities that lead up from `begin` to `end`, fewest first; None if there are none."""
    ways: dict[str, tuple[Inequality, ...]] = {begin: ()}
    queue = [begin]
    while queue and end not in ways:
        here = queue.pop(0)
        for rule in orders:
            if rule.low == here and rule.high not in ways:
                ways[rule.high] = (*ways[here], rule)
                queue.append(rule.high)
    return ways.get(end)


def narrow(rules: Iterable[Constraint], slots: Slots) -> dict[str, Slot]:
    """The slots with domains reduced to values that the rules leave possible.

    A rule with a column that may be emptied leaves everything possible.

    Raises:
        ConditionError: the condition contradicts a rule.
        SchemaError: bounds and levels alone contradict a rule.
    """
    rules, slots = tuple(rules), dict(slots)
    for _ in range(_ROUNDS):
        before = {n: s.domain for n, s in slots.items()}
        for rule in rules:
            if any(slots[n].can_be_null for n in rule.columns):
                continue
            for name, domain in _narrowed(rule, slots).items():
                if domain.empty:
                    raise _contradiction(rule, slots)
                slots[name] = replace(slots[name], domain=domain)
        if all(_same(s.domain, before[n]) for n, s in slots.items()):
            break
    return slots


def _same(a: Domain, b: Domain) -> bool:
    if a.low != b.low or a.high != b.high or (a.points is None) != (b.points is None):
        return False
    return a.points is None or b.points is None or len(a.points) == len(b.points)


def _contradiction(rule: Constraint, slots: Slots) -> Exception:
    own = [n for n in rule.columns if not slots[n].free]
    conditioned = own if len(own) > 1 else [n for n, s in slots.items() if not s.free]
    names = ", ".join(repr(n) for n in conditioned)
    about = ", ".join(repr(n) for n in rule.columns)
    if not conditioned:
        return SchemaError(
            f"constraint '{rule}': bounds and levels of {about} leave no value that keeps it; "
            "widen them, declare a column nullable or drop the constraint"
        )
    return ConditionError(
        f"condition on {names}: contradicts the schema's constraint '{rule}' on {about}; "
        "change the condition or drop the constraint"
    )


def _narrowed(rule: Constraint, slots: Slots) -> dict[str, Domain]:
    if isinstance(rule, Inequality):
        return _order(rule, slots)
    if isinstance(rule, Implication):
        return _implication(rule, slots)
    if isinstance(rule, FunctionalDependency):
        return _dependency(rule, slots)
    assert isinstance(rule, FixedSum)
    return _sum(rule, slots)


def _order(rule: Inequality, slots: Slots) -> dict[str, Domain]:
    low, high = slots[rule.low].domain, slots[rule.high].domain
    top, has_top = low.nearest(np.array([high.high]), -1, strict=rule.strict)
    bottom, has_bottom = high.nearest(np.array([low.low]), 1, strict=rule.strict)
    if not (has_top[0] and has_bottom[0]):
        return {rule.low: Domain.listed(low.type, top[:0])}
    return {rule.low: low.within(low.low, top[0].item()), rule.high: high.within(bottom[0].item(), high.high)}


def _implication(rule: Implication, slots: Slots) -> dict[str, Domain]:
    when, then = slots[rule.when_column], slots[rule.then_column]
    premise = when.constant(rule.when_value)
    other = None if rule.then_equals is None else slots[rule.then_equals]
    if other is None:
        assert rule.then_value is not None
        left = {then.name: then.domain.only(np.array([then.constant(rule.then_value)]))}
    else:
        left = {then.name: _common(then.domain, other.domain), other.name: _common(other.domain, then.domain)}
    if any(d.empty for d in left.values()):
        return {when.name: when.domain.without(premise)}
    return left if when.domain.single == premise else {}


def _common(domain: Domain, other: Domain) -> Domain:
    if other.points is not None:
        return domain.only(other.points)
    return domain.within(other.low, other.high)


def _dependency(rule: FunctionalDependency, slots: Slots) -> dict[str, Domain]:
    left, right = slots[rule.determinant], slots[rule.dependent]
    a = np.array([left.constant(v) for v, _ in rule.mapping])
    b = np.array([right.constant(v) for _, v in rule.mapping])
    kept = left.domain.contains(a) & right.domain.contains(b)
    return {left.name: left.domain.only(a[kept]), right.name: right.domain.only(b[kept])}


def _sum(rule: FixedSum, slots: Slots) -> dict[str, Domain]:
    domains = {n: slots[n].domain for n in rule.parts}
    low, high = sum(float(d.low) for d in domains.values()), sum(float(d.high) for d in domains.values())
    # Wider than the tolerance: what rounding leaves is for the rows to show.
    slack = rule.tolerance + 1e-9 * max(abs(rule.total), 1.0)
    return {
        n: d.within(rule.total - (high - d.high) - slack, rule.total - (low - d.low) + slack)
        for n, d in domains.items()
    }
