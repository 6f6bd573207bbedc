"""Levels of a column found under differential privacy: those that many subjects have, and no other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.special import ndtri

from jaxsynth.privacy.admit import OTHER
from jaxsynth.schema import Column, Level
from jaxsynth.schema.arrow_types import is_stringlike, most_levels, storage_type


@dataclass(frozen=True, kw_only=True)
class KeyQuery:
    """Counts of subjects by keys, where which keys there are is itself private.

    Only keys of the data get a count and noise, and only noisy counts above a threshold may be seen (Korolova et
    al. 2009; Gopi et al. 2020, "Differentially private set union"). With probability 1 - delta no key that a
    single subject has is among them; given that, the answer is that of a Gaussian mechanism.

    Attributes:
        name: what is asked, for the record.
        statistic: table -> for each key, how many subjects have it.
        keys_per_subject: most keys that one subject has.
        delta: probability that a key of one subject alone is seen: a distance in total variation from the Gaussian
            mechanism, to be accounted beside it.
    """

    name: str
    statistic: Callable[[pa.Table], dict[Level, int]]
    keys_per_subject: int
    delta: float

    @property
    def sensitivity(self) -> float:
        """L2 distance by which one subject moves the counts: 1 in each of its keys."""
        return math.sqrt(self.keys_per_subject)

    def threshold(self, noise: float) -> float:
        """What a noisy count must exceed to be seen.

        The largest of the noise on `keys_per_subject` counts of 1 lies below with probability 1 - delta.

        Args:
            noise: standard deviation of the noise on each count.
        """
        # Bernoulli's inequality in place of the root (1 - delta)^(1 / keys), which floats would round to 1.
        return 1 - noise * float(ndtri(self.delta / self.keys_per_subject))


def select_keys(counts: Mapping[Level, int], noise: NDArray[np.floating], threshold: float) -> dict[Level, float]:
    """The keys whose noisy counts exceed a threshold, in alphabetical order, with these counts.

    Args:
        counts: for each key of the data, how many subjects have it.
        noise: one number for each key. Shape (len(counts),).
        threshold: what a noisy count must exceed.
    """
    noisy = {key: count + float(z) for (key, count), z in zip(counts.items(), noise, strict=True)}
    # The order of the data would tell more than the counts.
    return {key: noisy[key] for key in sorted(noisy, key=_order) if noisy[key] > threshold}


def _order(key: Level) -> tuple[float, str]:
    return (0.0, key) if isinstance(key, str) else (float(key), "")


def level_query(column: Column, *, subject: str | None, rows_per_subject: int, delta: float) -> KeyQuery:
    """Ask which levels a column has.

    Args:
        column: text, or a dictionary of text or integers.
        subject: the column of persons; None: each row is one.
        rows_per_subject: most rows of a subject.
        delta: as `KeyQuery` says.
    """
    return KeyQuery(
        name=f"levels of {column.name!r}",
        statistic=lambda table: count_subjects(table, column.name, subject),
        keys_per_subject=rows_per_subject,
        delta=delta,
    )


def count_subjects(table: pa.Table, name: str, subject: str | None) -> dict[Level, int]:
    """How many subjects have each value of a column; missing is none."""
    cells = table[name]
    if pa.types.is_null(storage_type(cells.type)):
        return {}
    keys = cells.cast(storage_type(cells.type))
    pairs = pa.table({"key": keys, "subject": table[subject] if subject else np.arange(len(cells))})
    pairs = pairs.filter(keys.is_valid()).group_by(["key", "subject"]).aggregate([])
    found = pairs.group_by("key").aggregate([([], "count_all")])
    return dict(zip(found["key"].to_pylist(), found["count_all"].to_pylist(), strict=True))


def with_levels(column: Column, found: Mapping[Level, float]) -> Column:
    """The column with the levels that were found, and a place for all others: "OTHER", or missing for integers."""
    if is_stringlike(column.arrow_type):
        named = {level: count for level, count in found.items() if level != OTHER}
        return column.changed(levels=(*_most_frequent(column, named, spare=1), OTHER))
    return replace(column.changed(levels=_most_frequent(column, found, spare=0)), nullable=True)


def _most_frequent(column: Column, found: Mapping[Level, float], *, spare: int) -> tuple[Level, ...]:
    """As many levels as the column's dictionary can hold beside `spare` others, in the order of `found`."""
    most = most_levels(column.arrow_type)
    kept = set(sorted(found, key=lambda level: -found[level])[: None if most is None else most - spare])
    return tuple(level for level in found if level in kept)
