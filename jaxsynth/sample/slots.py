"""The columns that rules speak of, as numbers: text as ids of one vocabulary; reading cells, replacing cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from jaxsynth.errors import SchemaError
from jaxsynth.sample.domain import Domain, Mask
from jaxsynth.schema import Column, Level
from jaxsynth.schema.arrow_types import is_stringlike, storage_type
from jaxsynth.schema.cells import Numbers, from_numbers, to_numbers, valid_mask

Index = NDArray[np.int64]

UNKNOWN = -1  # id of a text that no column declares


@dataclass(frozen=True, kw_only=True, eq=False)
class Slot:
    """One column that a rule speaks of.

    Attributes:
        column: of the schema.
        domain: what its cells may be set to; inside the user's condition, if there is one.
        free: whether no condition speaks of it.
        vocabulary: text -> id, shared by all text columns.
        weights: value -> how often it was seen; says which replacement is the least conspicuous.
    """

    column: Column
    domain: Domain
    free: bool
    vocabulary: dict[str, int]
    weights: dict[float, float]

    @property
    def name(self) -> str:
        """The column's name."""
        return self.column.name

    @property
    def can_be_null(self) -> bool:
        """Whether a cell may be emptied to satisfy a rule."""
        return self.column.nullable and self.free

    @property
    def is_text(self) -> bool:
        """Whether values are ids of the vocabulary."""
        return is_stringlike(self.column.arrow_type)

    def constant(self, value: Level) -> float:
        """A rule's constant as this column's number, by the cast that checking the rule makes.

        Raises:
            SchemaError: the value does not fit the column's type.
        """
        type_ = storage_type(self.column.arrow_type)
        try:
            scalar = pa.scalar(value).cast(type_)
        except pa.ArrowException as error:
            raise SchemaError(
                f"column {self.name!r}: a constraint's value {value!r} does not fit type {self.column.type}; "
                "write it in the column's type"
            ) from error
        if self.is_text:
            return self.vocabulary.get(scalar.as_py(), UNKNOWN)
        number: float = to_numbers(pa.array([scalar], type_))[0].item()
        return number

    def by_weight(self, values: Numbers) -> Numbers:
        """The distinct `values` that are admissible, most frequent first, ties in order of value."""
        kept = np.unique(values[self.domain.contains(values)])
        weight = np.array([self.weights.get(v, 0.0) for v in kept.tolist()])
        return kept[np.argsort(-weight, kind="stable")]

    def read(self, cells: pa.Array) -> tuple[Numbers, Mask]:
        """Values (n,), 0 where null, and which are not null (n,)."""
        valid = valid_mask(cells) if cells.null_count else np.ones(len(cells), np.bool_)
        type_ = cells.type
        if pa.types.is_dictionary(type_):
            inner = self._values(cells.dictionary)
            indices = to_numbers(cells.indices)
            return np.where(valid, inner[indices], 0) if len(inner) else np.zeros(len(cells), np.int64), valid
        return self._values(cells), valid

    def _values(self, cells: pa.Array) -> Numbers:
        if not self.is_text:
            return to_numbers(cells)
        texts = pa.array(list(self.vocabulary), cells.type)
        found = pc.index_in(cells, texts)
        return to_numbers(found.fill_null(UNKNOWN))

    def replace(self, cells: pa.Array, at: Index, values: Numbers, valid: Mask) -> pa.Array:
        """`cells` with those `at` replaced; every other cell keeps its bytes."""
        type_ = cells.type
        if pa.types.is_dictionary(type_):
            dictionary, entries = self._entries(cells.dictionary, values)
            fresh = pa.array(entries, type_.index_type, mask=~valid)
            indices = _put(cells.indices, at, fresh)
            return pa.DictionaryArray.from_arrays(indices, dictionary, ordered=type_.ordered)
        return _put(cells, at, self._cells(values, valid, type_))

    def _cells(self, values: Numbers, valid: Mask, type_: pa.DataType) -> pa.Array:
        if not self.is_text:
            return from_numbers(values, valid, type_)
        return pa.array(list(self.vocabulary), type_).take(pa.array(values, mask=~valid))

    def _entries(self, dictionary: pa.Array, values: Numbers) -> tuple[pa.Array, Numbers]:
        """The dictionary, holding all `values`, and the index of each value in it."""
        known = self._values(dictionary)
        missing = np.setdiff1d(values, known)
        if len(missing):
            fresh = self._cells(missing, np.ones(len(missing), np.bool_), dictionary.type)
            dictionary, known = pa.concat_arrays([dictionary, fresh]), np.concatenate([known, missing])
        order = np.argsort(known, kind="stable")
        return dictionary, order[np.searchsorted(known[order], values)]


def _put(cells: pa.Array, at: Index, fresh: pa.Array) -> pa.Array:
    chosen = np.zeros(len(cells), np.bool_)
    chosen[at] = True
    if pa.types.is_duration(cells.type):
        return pc.replace_with_mask(cells.view(pa.int64()), chosen, fresh.view(pa.int64())).view(cells.type)
    return pc.replace_with_mask(cells, pa.array(chosen), fresh)


@dataclass(eq=False)
class Rows:
    """The cells of some rows as numbers, to be changed in place.

    Attributes:
        values: name -> (n,), 0 where null.
        valid: name -> (n,), False where null.
    """

    values: dict[str, Numbers]
    valid: dict[str, Mask]

    @property
    def count(self) -> int:
        """How many rows, n."""
        return len(next(iter(self.values.values())))

    def take(self, at: Index | Mask) -> Rows:
        """A copy of these rows."""
        return Rows({n: v[at] for n, v in self.values.items()}, {n: v[at] for n, v in self.valid.items()})

    def put(self, at: Index | Mask, rows: Rows) -> None:
        """Write `rows` over those `at`."""
        for name in self.values:
            self.values[name][at] = rows.values[name]
            self.valid[name][at] = rows.valid[name]

    def present(self, names: tuple[str, ...]) -> Mask:
        """Where none of the cells is null."""
        masks = [self.valid[n] for n in names]
        return masks[0] if len(masks) == 1 else np.logical_and.reduce(masks)

    def set(self, slot: Slot, at: Index, values: Any) -> None:
        """Change cells that are not null."""
        self.values[slot.name][at] = values
