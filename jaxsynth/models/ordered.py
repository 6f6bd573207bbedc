"""The network of the autoregressive model: code tables, context of earlier columns, a head for each column.

Columns are in the model's own order throughout: group after group, narrow ones first. Rows come last in
every array, (units, b): all products are then plain matrix products with rows in the vector lanes, and
nothing is transposed between layers, which on a CPU is half of a step.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.affine import Param, added, by_column, by_row, lookup, plain
from jaxsynth.codec.groups import Group
from jaxsynth.codec.layout import CodeSpec
from jaxsynth.models.base import Params
from jaxsynth.models.copying import Copying, raised
from jaxsynth.models.ordered_layers import (
    CodeTables,
    ColumnResidual,
    PairedContext,
    Start,
    SummedContext,
    draw_start,
)

_SPAN = 3584  # hidden units that all columns share beyond `hidden` each
_LEAST = 48  # hidden units a column has however many there are
_NARROW = 4  # codes of the narrowest columns, which come last and see all others
_FEW = 16
_MEDIUM = 64
_MANY = 40  # columns of a table beyond which wide ones get code vectors of half the length


@dataclass(frozen=True)
class Sizes:
    """How much of the network a column gets.

    Attributes:
        embedding: features of a code as an input.
        hidden: units.
    """

    embedding: int
    hidden: int


@dataclass(frozen=True)
class Span:
    """Neighbouring columns of equal sizes. Places, features and units are counted over all columns."""

    sizes: Sizes
    groups: range
    columns: range
    features: range
    units: range


@dataclass(frozen=True, eq=False)
class OrderedNet:
    """The modules for one layout; every method is a pure function of the parameters.

    Attributes:
        groups: columns of like width.
        order: int (d,), the layout column at each place of the model's order.
        starts: the place of each group's first column.
        spans: neighbouring groups of equal sizes.
        tilted: int (v,), the place of each continuous column, in layout order.
    """

    groups: tuple[Group, ...]
    order: np.ndarray
    starts: tuple[int, ...]
    spans: tuple[Span, ...]
    tilted: np.ndarray
    embed: CodeTables
    context: PairedContext | SummedContext
    deepen: tuple[ColumnResidual, ...]
    heads: CodeTables
    copying: tuple[Copying, ...]

    @classmethod
    def make(
        cls,
        layout: tuple[CodeSpec, ...],
        groups: tuple[Group, ...],
        *,
        embedding: int,
        hidden: int,
        rank: int,
        paired: int,
    ) -> OrderedNet:
        """Lay the columns out group after group; `paired` columns at most get weights for every pair."""
        order = np.concatenate([np.array(g.index) for g in groups])
        place = np.argsort(order)
        sizes = _sizes(groups, embedding, hidden, even=len(order) > paired)
        spans = tuple(_spans(groups, sizes))
        context = (
            PairedContext(*_per_column(spans))
            if len(order) <= paired
            else SummedContext(len(order), sizes[0].embedding, sizes[0].hidden)
        )
        return cls(
            groups=groups,
            order=order,
            starts=tuple(np.cumsum([0, *(len(g.index) for g in groups[:-1])]).tolist()),
            spans=spans,
            tilted=np.array([place[i] for i, s in enumerate(layout) if s.continuous], np.int64),
            embed=CodeTables(groups, tuple(s.embedding for s in sizes), 0.4),
            context=context,
            deepen=tuple(ColumnResidual(len(s.columns), s.sizes.hidden, rank) for s in spans),
            heads=CodeTables(groups, tuple(s.hidden for s in sizes), 0.01),
            copying=tuple(Copying.make(layout, g, place, s.hidden) for g, s in zip(groups, sizes, strict=True)),
        )

    @property
    def rank(self) -> jax.Array:
        """The usual order: each column's place."""
        return jnp.arange(len(self.order))

    @property
    def paired(self) -> bool:
        """Whether every pair of columns has weights of its own."""
        return isinstance(self.context, PairedContext)

    @property
    def features(self) -> int:
        """Features of all columns together."""
        return self.spans[-1].features.stop

    @property
    def units(self) -> int:
        """Hidden units of all columns together."""
        return self.spans[-1].units.stop

    def init(self, key: jax.Array) -> Params:
        """Heads start at the training frequencies, with no dependence between columns."""
        deepen = {str(i): layer.start() for i, layer in enumerate(self.deepen)}
        starts = {
            "embed": self.embed.start(),
            "context": self.context.start(),
            "deepen": deepen,
            "heads": self.heads.start(),
            "bias": {str(i): Start(g.prior.shape) for i, g in enumerate(self.groups)},
            "copying": {str(i): c.start() for i, c in enumerate(self.copying) if c.count},
            "tilt": {str(i): Start((len(s.columns), s.sizes.hidden)) for i, s in enumerate(self.spans)},
        }
        return draw_start(key, starts)

    def inputs(self, params: Params) -> list[Param]:
        """For each group the feature vectors of its codes, (g, width, e)."""
        return self.embed(params["embed"])

    def vectors(self, params: Params) -> list[jax.Array]:
        """The same as arrays."""
        return [plain(t) for t in self.inputs(params)]

    def lookup(self, tables: Sequence[Param], codes: jax.Array) -> jax.Array:
        """Features (k, b) of codes (d, b) by the `inputs`."""
        parts = []
        for span in self.spans:
            found = lookup([tables[i] for i in span.groups], codes[span.columns.start : span.columns.stop])
            parts.append(found.transpose(0, 2, 1).reshape(len(span.features), -1))
        return jnp.concatenate(parts)

    def hidden_units(
        self, params: Params, features: jax.Array, rank: jax.Array, keep: jax.Array | float
    ) -> list[jax.Array]:
        """Features (k, b) -> for each span its columns' hidden units, (columns, hidden, b).

        `keep` are factors (u, b) of the units, or 1.
        """
        seen = jax.nn.relu(self._context(params["context"], features, rank)) * keep
        out = []
        for i, (span, deepen) in enumerate(zip(self.spans, self.deepen, strict=True)):
            own = seen[span.units.start : span.units.stop].reshape(len(span.columns), span.sizes.hidden, -1)
            out.append(deepen(params["deepen"][str(i)], own))
        return out

    def _context(self, params: Params, features: jax.Array, rank: jax.Array) -> jax.Array:
        """What each column sees of those of lower rank, (u, b)."""
        if isinstance(self.context, SummedContext):
            columns = features.reshape(len(self.order), self.context.embedding, -1)
            return self.context(params, columns, rank).reshape(self.units, -1)
        return self.context(params, features, rank)

    def outputs(self, params: Params) -> list[tuple[jax.Array, jax.Array]]:
        """For each group the weights (g, width, hidden) and biases (g, width) of its heads."""
        tables = self.heads(params["heads"])
        return [
            (plain(table), params["bias"][str(i)] + jnp.asarray(group.prior))
            for i, (group, table) in enumerate(zip(self.groups, tables, strict=True))
        ]

    def logits(self, params: Params, h: list[jax.Array], codes: jax.Array, rank: jax.Array) -> list[jax.Array]:
        """For each group (g, width, b); columns copy the `codes` (d, b) of those of lower rank."""
        tables, out = self.heads(params["heads"]), []
        for span, units in zip(self.spans, h, strict=True):
            for i in span.groups:
                at, prior = self.starts[i] - span.columns.start, self.groups[i].prior
                own = units[at : at + len(prior)]
                # Relative to the training frequencies, so that weight decay pulls towards those.
                logits = added(params["bias"][str(i)], by_column(tables[i], own)) + prior[..., None]
                out.append(self._raised(params, i, logits, own, codes, rank))
        return out

    def _raised(
        self, params: Params, i: int, logits: jax.Array, h: jax.Array, codes: jax.Array, rank: jax.Array
    ) -> jax.Array:
        copying = self.copying[i]
        if not copying.count:
            return logits
        own = self.starts[i] + np.arange(len(logits))
        seen = rank[copying.sources] < rank[own][:, None]
        gates = copying.gates(params["copying"][str(i)], h)
        return raised(logits, gates, copying.wanted(codes, seen[..., None]))

    def tilts(self, params: Params, h: list[jax.Array]) -> jax.Array:
        """How positions lean inside their interval, (v, b)."""
        own = [by_row(params["tilt"][str(i)], units) for i, units in enumerate(h)]
        return jnp.concatenate(own)[self.tilted]


def _sizes(groups: tuple[Group, ...], embedding: int, hidden: int, *, even: bool) -> tuple[Sizes, ...]:
    """Columns of few codes say less and need less; many columns share what a wide table's rows can teach."""
    columns = sum(len(g.index) for g in groups)
    most = min(hidden, max(_LEAST, _SPAN // columns // 16 * 16))
    sizes = []
    longest = embedding if columns <= _MANY else max(1, embedding // 2)
    for group in groups:
        features = 2 if group.width <= _NARROW else 4 if group.width <= _MEDIUM else longest
        units = max(_LEAST, most // 2) if _NARROW < group.width <= _FEW else most
        sizes.append(Sizes(min(longest, features), min(most, units)))
    if even:
        return (Sizes(max(s.embedding for s in sizes), most),) * len(sizes)
    return tuple(sizes)


def _per_column(spans: tuple[Span, ...]) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Features and units of each column."""
    sizes = [s.sizes for s in spans for _ in s.columns]
    return tuple(s.embedding for s in sizes), tuple(s.hidden for s in sizes)


def _spans(groups: tuple[Group, ...], sizes: tuple[Sizes, ...]) -> Iterator[Span]:
    column = feature = unit = 0
    for own, members in groupby(range(len(groups)), key=lambda i: sizes[i]):
        ids = list(members)
        count = sum(len(groups[i].index) for i in ids)
        ends = column + count, feature + count * own.embedding, unit + count * own.hidden
        yield Span(
            own, range(ids[0], ids[-1] + 1), range(column, ends[0]), range(feature, ends[1]), range(unit, ends[2])
        )
        column, feature, unit = ends
