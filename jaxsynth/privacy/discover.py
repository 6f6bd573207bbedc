"""Discovery: the bounds and levels that a schema lacks, found privately from a share of the budget."""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxsynth.privacy.bounds import bounds_query, with_bounds
from jaxsynth.privacy.declared import require_declared, undeclared, widened
from jaxsynth.privacy.levels import level_query, with_levels
from jaxsynth.privacy.measurer import Measurer
from jaxsynth.schema import Column, Schema


@dataclass(frozen=True, kw_only=True)
class Discovery:
    """What discovery found and what it cost beside its stage.

    Attributes:
        schema: complete, nothing in it inferred: public from now on.
        delta: total variation spent on levels that a single subject has. The whole is then
            (epsilon, delta_of_the_rest + (1 + e**epsilon) * delta)-DP.
    """

    schema: Schema
    delta: float


def discover(schema: Schema, ledger: Measurer, *, delta: float, stage: str = "discover") -> Discovery:
    """Find what the schema lacks, in equal parts of a stage.

    Args:
        schema: what is public, and inferred attributes in need of replacement.
        ledger: answers on the table before it was admitted.
        delta: total variation to be spent on levels at most; columns share it equally.
        stage: the stage of the ledger that pays.

    Raises:
        PrivacyError: something is not public that discovery cannot find, or a column has too few cells.
    """
    require_declared(schema, discover=True)
    wide = widened(schema)
    sought = {name: what for name, what in undeclared(wide) if what in {"bounds", "levels"}}
    of_levels = sum(what == "levels" for what in sought.values())
    found = wide
    for name, what in sought.items():
        part = 1 / len(sought)
        if what == "bounds":
            column = _bounded(wide[name], ledger, stage, part)
        else:
            column = _levelled(wide, name, ledger, delta / of_levels, stage, part)
        found = replace(found, columns=tuple(column if c.name == name else c for c in found.columns))
    return Discovery(schema=found.declare_public(), delta=delta if of_levels else 0.0)


def _bounded(column: Column, ledger: Measurer, stage: str, part: float) -> Column:
    query = bounds_query(column, ledger.rows_per_subject)
    noisy = ledger.measure(query, stage=stage, part=part)
    return with_bounds(column, noisy, ledger.noise(query, stage=stage, part=part))


def _levelled(schema: Schema, name: str, ledger: Measurer, delta: float, stage: str, part: float) -> Column:
    query = level_query(
        schema[name], subject=schema.subject, rows_per_subject=ledger.rows_per_subject, delta=delta
    )
    return with_levels(schema[name], ledger.select(query, stage=stage, part=part))
