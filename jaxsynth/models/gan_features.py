"""What the critic sees of codes: fixed features, for drawn codes and for the probabilities they came from."""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from jaxsynth.codec.groups import Group

_WIDE = 64  # unordered columns with more codes show random signs instead of one-hots
_SIGNS = 32


@dataclass(frozen=True, eq=False)
class Features:
    """Fixed features of the codes of every column: a linear view of their one-hots.

    Attributes:
        groups: the columns.
        looks: for each group float32 (g, width, f), the smooth basis of ordered codes, random signs of wide
            unordered ones; None stands for one-hots.
        kept: int (features,), those that are not padding, of all groups' features end to end.
    """

    groups: tuple[Group, ...]
    looks: tuple[NDArray[np.float32] | None, ...]
    kept: NDArray[np.int64]

    @classmethod
    def make(cls, groups: tuple[Group, ...]) -> Features:
        """Of these columns."""
        looks = tuple(_look(g) for g in groups)
        used = [_used(g, look).ravel() for g, look in zip(groups, looks, strict=True)]
        return cls(groups, looks, np.flatnonzero(np.concatenate(used)))

    def of_codes(self, codes: jax.Array) -> jax.Array:
        """Features (b, features) of codes (b, columns)."""
        parts = [_shown(g, look, codes) for g, look in zip(self.groups, self.looks, strict=True)]
        return self._side_by_side(parts)

    def of_probabilities(self, chances: list[jax.Array]) -> jax.Array:
        """Mean features (b, features) under probabilities (g, width, b), rows last, of each group's codes."""
        parts = [
            p if look is None else jnp.asarray(look.transpose(0, 2, 1)) @ p
            for look, p in zip(self.looks, chances, strict=True)
        ]
        return self._side_by_side(parts)

    def moments(self) -> tuple[NDArray[np.int64], NDArray[np.float64], list[NDArray[np.float64]]]:
        """Of the features where codes are as frequent as in the training rows.

        Returns:
            The layout column of each feature (features,), the features' means (features,), and for each column the
            covariances of its own features.
        """
        owner, mean, covariance = [], [], {}
        for group, look in zip(self.groups, self.looks, strict=True):
            for i, column in enumerate(group.index):
                seen = np.eye(group.width) if look is None else np.asarray(look[i], np.float64)
                share = np.exp(np.asarray(group.prior[i], np.float64))[:, None]
                middle = (share * seen).sum(0)
                owner.append(np.full(seen.shape[1], column))
                mean.append(middle)
                covariance[column] = (share * (seen - middle)).T @ (seen - middle)
        columns = np.concatenate(owner)
        used = [covariance[c][np.ix_(k, k)] for c, k in self._used_by_column(columns)]
        return columns[self.kept], np.concatenate(mean)[self.kept], used

    def _used_by_column(self, columns: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
        """For each layout column the numbers of its features that are not padding, among its own."""
        kept = np.zeros(len(columns), np.bool_)
        kept[self.kept] = True
        return [(c, np.flatnonzero(kept[columns == c])) for c in range(int(columns.max()) + 1)]

    def _side_by_side(self, parts: list[jax.Array]) -> jax.Array:
        """Features (g, f, b) of each group as (b, features), without padding."""
        return jnp.concatenate([p.reshape(-1, p.shape[2]) for p in parts])[self.kept].T


def one_hots(group: Group, codes: jax.Array) -> jax.Array:
    """Which of a group's codes each row has, bool (g, width, b), from codes (b, columns)."""
    return codes.T[np.array(group.index), None] == np.arange(group.width)[:, None]


def _shown(group: Group, look: NDArray[np.float32] | None, codes: jax.Array) -> jax.Array:
    """Features (g, f, b) of a group's codes, from codes (b, columns); a wide column's one-hots are never made."""
    if look is None:
        return one_hots(group, codes).astype(jnp.float32)
    own = codes.T[np.array(group.index)]
    return jnp.asarray(look)[np.arange(len(look))[:, None], own].transpose(0, 2, 1)


def _look(group: Group) -> NDArray[np.float32] | None:
    if group.basis is not None or group.width <= _WIDE:
        return group.basis
    signs = np.random.default_rng(0).integers(0, 2, (len(group.index), group.width, _SIGNS))
    return np.asarray((2 * signs - 1) / np.sqrt(_SIGNS), np.float32)


def _used(group: Group, look: NDArray[np.float32] | None) -> NDArray[np.bool_]:
    """Which features of each column (g, f) are not padding."""
    if look is None:
        return np.arange(group.width) < group.sizes[:, None]
    used: NDArray[np.bool_] = np.abs(look).max(axis=1) > 0
    return used
