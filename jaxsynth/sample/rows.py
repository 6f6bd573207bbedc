"""Given rows through the model: their log-probabilities, and the cells they lack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jaxsynth.codec import Codec
from jaxsynth.codec.layout import CodeSpec
from jaxsynth.codec.packed import Columns, Packed, pack, unpacker
from jaxsynth.devices import compiled_method
from jaxsynth.errors import CapabilityError
from jaxsynth.models import Condition, Model, Params
from jaxsynth.models.base import to_batch, to_columns
from jaxsynth.sample.blocks import BLOCK_ROWS
from jaxsynth.sample.rules import Projection
from jaxsynth.schema.cells import combine


@dataclass(frozen=True, eq=False)
class RowModel:
    """What a trained model says of given rows, in blocks of `BLOCK_ROWS`.

    Attributes:
        model: the generator's functions.
        codec: table <-> codes.
        params: trained parameters.
    """

    model: Model
    codec: Codec
    params: Params

    @property
    def layout(self) -> tuple[CodeSpec, ...]:
        """The modelled columns."""
        return self.codec.layout

    def log_prob(self, table: pa.Table) -> NDArray[np.float32]:
        """Log-likelihood of each row in nats, (n,).

        Raises:
            CapabilityError: the model has no likelihood.
            CodecError: a level that the codec does not know.
        """
        if self.model.log_prob is None:
            raise CapabilityError("log_prob: this model has no likelihood of single rows; fit js.Autoregressive()")
        blocks = [np.asarray(self._log_prob(self.params, block))[:rows] for block, rows in self._blocks(table)]
        return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)

    def impute(self, table: pa.Table, seed: int) -> pa.Table:
        """The table with the nulls of modelled columns drawn from the model given the row's other cells.

        Raises:
            CapabilityError: the model cannot condition on whole rows.
            CodecError: a level that the codec does not know.
        """
        if self.model.complete is None:
            raise CapabilityError(
                "impute: this model cannot condition on any set of cells; fit js.Autoregressive()"
            )
        parts = []
        projection, condition, unpack = Projection.of(self.codec), self._without_missing(), unpacker(self.layout)
        for i, (block, rows) in enumerate(self._blocks(table)):
            drawn = self._complete(self.params, np.uint32(seed), np.uint32(i), block, condition)
            cut = jax.tree.map(np.asarray, drawn).slice(0, rows)
            decoded = projection.apply(self.codec.decode(unpack(cut), start=i * BLOCK_ROWS))
            parts.append(decoded.select([c.name for c in self.codec.schema.modelled]))
        if not parts:
            return table
        return _filled(table, pa.Table.from_batches(parts))

    def _blocks(self, table: pa.Table) -> Iterator[tuple[Packed, int]]:
        """Packed blocks of one shape, the last padded with copies of its last row, and how many rows count."""
        for start in range(0, table.num_rows, BLOCK_ROWS):
            part = table.slice(start, BLOCK_ROWS)
            rows = part.num_rows
            spread = np.minimum(np.arange(BLOCK_ROWS), rows - 1)
            packed = pack(self.layout, self.codec.encode(part, nearest=True))
            yield jax.tree.map(lambda a, s=spread: a[s], packed), rows

    def _without_missing(self) -> Condition:
        """Every value, no missing cell; a column that was never observed stays missing."""
        weights = []
        for codec in self.codec.columns:
            spec, weight = codec.spec, np.ones(codec.spec.size, np.float32)
            if codec.column.nullable and spec.counts[:-1].sum() > 0:
                weight[-1] = 0.0
            weights.append(weight)
        return Condition(
            weight=tuple(jnp.asarray(w) for w in weights),
            low=tuple(jnp.zeros(len(w)) for w in weights),
            high=tuple(jnp.ones(len(w)) for w in weights),
            active=jnp.zeros(len(weights), jnp.bool_),
        )

    @compiled_method
    def _log_prob(self, params: Params, block: Packed) -> jax.Array:
        assert self.model.log_prob is not None
        return self.model.log_prob(params, to_batch(self.layout, block))

    @compiled_method
    def _complete(
        self, params: Params, seed: jax.Array, number: jax.Array, block: Packed, condition: Condition
    ) -> Columns:
        assert self.model.complete is not None
        key = jax.random.fold_in(jax.random.key(seed), number)
        batch = to_batch(self.layout, block)
        # Missing is the last code of a nullable column; any other code is a value to keep.
        missing = [
            batch.codes[:, i] == c.spec.size - 1 if c.column.nullable else jnp.zeros(len(batch.codes), jnp.bool_)
            for i, c in enumerate(self.codec.columns)
        ]
        return to_columns(
            self.layout, self.model.complete(params, key, batch, ~jnp.stack(missing, axis=1), condition)
        )


def _filled(table: pa.Table, drawn: pa.Table) -> pa.Table:
    """Observed cells exactly as they were, nulls from `drawn`."""
    for i, name in enumerate(table.column_names):
        if name in drawn.column_names and table[name].null_count:
            cells, other = combine(table[name]), combine(drawn[name])
            if pa.types.is_dictionary(cells.type):
                plain = pc.coalesce(cells.cast(cells.type.value_type), other.cast(cells.type.value_type))
                filled = plain.dictionary_encode().cast(cells.type)
            else:
                filled = pc.coalesce(cells, other.cast(cells.type))
            table = table.set_column(i, table.field(i), filled)
    return table
