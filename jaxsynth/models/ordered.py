"""The network of the autoregressive model: code tables, context of earlier columns, a head for each column.

Columns are in the model's own order throughout: group after group, narrow ones first.
"""

from __future__ import annotations

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.codec.groups import Group
from jaxsynth.codec.layout import CodeSpec
from jaxsynth.models.base import Params
from jaxsynth.nets import CodeTables, ColumnDense, PairedContext, SummedContext, apply, by_column


@dataclass(frozen=True, eq=False)
class OrderedNet:
    """The modules for one layout; every method is a pure function of the parameters.

    Attributes:
        groups: columns of like width.
        order: int (d,), the layout column at each place of the model's order.
        starts: the place of each group's first column.
        tilted: int (v,), the place of each continuous column, in layout order.
    """

    groups: tuple[Group, ...]
    order: np.ndarray
    starts: tuple[int, ...]
    tilted: np.ndarray
    hidden: int
    embed: CodeTables
    context: PairedContext | SummedContext
    deepen: ColumnDense
    heads: CodeTables

    @classmethod
    def make(
        cls, layout: tuple[CodeSpec, ...], groups: tuple[Group, ...], embedding: int, hidden: int, paired: int
    ) -> OrderedNet:
        """Lay the columns out group after group; `paired` columns at most get weights for every pair."""
        order = np.concatenate([np.array(g.index) for g in groups])
        sizes = [len(g.index) for g in groups]
        place = np.argsort(order)
        return cls(
            groups=groups,
            order=order,
            starts=tuple(np.cumsum([0, *sizes[:-1]]).tolist()),
            tilted=np.array([place[i] for i, s in enumerate(layout) if s.continuous], np.int64),
            hidden=hidden,
            embed=CodeTables(groups, embedding, 0.4),
            context=PairedContext(hidden) if len(order) <= paired else SummedContext(hidden),
            deepen=ColumnDense(hidden),
            heads=CodeTables(groups, hidden, 0.01),
        )

    @property
    def rank(self) -> jax.Array:
        """The usual order: each column's place."""
        return jnp.arange(len(self.order))

    @property
    def paired(self) -> bool:
        """Whether every pair of columns has weights of its own."""
        return isinstance(self.context, PairedContext)

    def init(self, key: jax.Array) -> Params:
        """Heads start at the training frequencies, with no dependence between columns."""
        keys = jax.random.split(key, 4)
        d = len(self.order)
        features = jnp.zeros((1, d, self.embed.features))
        return {
            "embed": self.embed.init(keys[0])["params"],
            "context": self.context.init(keys[1], features, self.rank)["params"],
            "deepen": self.deepen.init(keys[2], jnp.zeros((d, 1, self.hidden)))["params"],
            "heads": self.heads.init(keys[3])["params"],
            "bias": {str(i): jnp.zeros_like(g.prior) for i, g in enumerate(self.groups)},
            "tilt": jnp.zeros((len(self.tilted), self.hidden)),
        }

    def inputs(self, params: Params) -> list[jax.Array]:
        """For each group the feature vectors of its codes, (g, width, e)."""
        return apply(self.embed, params["embed"])  # type: ignore[no-any-return]

    def hidden_units(
        self, params: Params, features: jax.Array, rank: jax.Array, keep: jax.Array | float
    ) -> jax.Array:
        """Features (b, d, e) -> each column's hidden units, (d, b, hidden)."""
        seen = apply(self.context, params["context"], features, rank).transpose(1, 0, 2)
        h = jax.nn.relu(seen) * keep
        return h + jax.nn.relu(apply(self.deepen, params["deepen"], h))

    def outputs(self, params: Params) -> list[tuple[jax.Array, jax.Array]]:
        """For each group the weights (g, hidden, width) and biases (g, width) of its heads."""
        tables = apply(self.heads, params["heads"])
        out = []
        for i, (group, table) in enumerate(zip(self.groups, tables, strict=True)):
            # Relative to the training frequencies, so that weight decay pulls towards those.
            out.append((table.transpose(0, 2, 1), params["bias"][str(i)] + jnp.asarray(group.prior)))
        return out

    def logits(self, params: Params, h: jax.Array) -> list[jax.Array]:
        """For each group (g, b, width)."""
        heads = zip(self.groups, self.starts, self.outputs(params), strict=True)
        return [by_column(h[at : at + len(g.index)], w) + bias[:, None] for g, at, (w, bias) in heads]

    def tilts(self, params: Params, h: jax.Array) -> jax.Array:
        """How positions lean inside their interval, (b, v)."""
        return jnp.einsum("vbh,vh->bv", h[self.tilted], params["tilt"])


def lookup(tables: list[jax.Array], codes: jax.Array) -> jax.Array:
    """Feature vectors (b, d, e) of codes (b, d), from one flat table: one gather, one scatter backwards."""
    sizes = [width for t in tables for width in [t.shape[1]] * t.shape[0]]
    flat = jnp.concatenate([t.reshape(-1, t.shape[-1]) for t in tables])
    return flat[codes + np.cumsum([0, *sizes[:-1]])]
