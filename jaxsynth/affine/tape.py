"""Watched parameters, and the tape that their uses are noted on."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import jax

from jaxsynth.affine.leaves import Leaf, Own
from jaxsynth.affine.uses import Use


class WatchError(TypeError):
    """What a loss does with its parameters cannot all be noted on a tape; without a watch it may be fine."""


@dataclass(eq=False)
class Tape:
    """What was done with watched parameters while a loss was traced; everything by the parameters' name.

    Attributes:
        taps: zeros added to what came out of each use, by which the loss is differentiated; None while it is
            being found out which there are.
        leaves: what each use's value was made of.
        uses: what each value met.
        outputs: what came out.
    """

    taps: dict[str, jax.Array] | None = None
    leaves: dict[str, Leaf] = field(default_factory=dict)
    uses: dict[str, Use] = field(default_factory=dict)
    outputs: dict[str, jax.Array] = field(default_factory=dict)

    def note(self, leaf: Leaf, out: jax.Array, use: Use) -> jax.Array:
        """Remember a use; the output with its tap.

        Raises:
            WatchError: the parameters were used before: squared norms of both uses would not add up.
        """
        if leaf.name in self.leaves:
            raise WatchError(
                f"parameter {leaf.name!r} is used twice; its examples' gradients cannot be told apart"
            )
        self.leaves[leaf.name], self.uses[leaf.name], self.outputs[leaf.name] = leaf, use, out
        return out if self.taps is None else out + self.taps[leaf.name]


@dataclass(frozen=True, eq=False)
class Watched:
    """A parameter, or what was made of some, whose use is noted on a tape."""

    value: jax.Array
    leaf: Leaf
    tape: Tape

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the value."""
        return self.value.shape

    @property
    def dtype(self) -> Any:
        """Of the value."""
        return self.value.dtype


Param = jax.Array | Watched


def watched(params: Any, tape: Tape) -> Any:
    """Parameters (nested dicts) under watch, named by their path."""
    return jax.tree_util.tree_map_with_path(lambda path, value: Watched(value, Own(path_name(path)), tape), params)


def path_name(path: tuple[Any, ...]) -> str:
    """The name of a parameter in nested dicts."""
    return jax.tree_util.keystr(path, simple=True, separator="/")


def plain(param: Param) -> jax.Array:
    """The value of a parameter."""
    return param.value if isinstance(param, Watched) else param


def used(param: Param, out: jax.Array, use: Use) -> jax.Array:
    """What came out of a parameter's use, noted if it is watched."""
    return param.tape.note(param.leaf, out, use) if isinstance(param, Watched) else out
