"""Tables that ship with the package, each with its schema and a card: origin, credit, licence, columns."""

from __future__ import annotations

from importlib.resources import as_file, files
from importlib.resources.abc import Traversable

import pyarrow as pa
import pyarrow.parquet as pq

from jaxsynth.errors import TableError
from jaxsynth.schema import Schema

NAMES = ("support2",)


def load(name: str) -> pa.Table:
    """The table.

    Example:
        >>> from jaxsynth import datasets
        >>> datasets.load("support2").shape
        (9105, 47)

    Raises:
        TableError: no such dataset.
    """
    with as_file(_resource(name, "parquet")) as path:
        return pq.read_table(path).replace_schema_metadata(None)


def schema(name: str) -> Schema:
    """The table's schema, with units, descriptions and the rules its rows keep.

    Raises:
        TableError: no such dataset.
    """
    with as_file(_resource(name, "schema.json")) as path:
        return Schema.load(path)


def card(name: str) -> str:
    """Markdown: origin, credit, licence, columns and units.

    Raises:
        TableError: no such dataset.
    """
    return _resource(name, "md").read_text(encoding="utf8")


def _resource(name: str, suffix: str) -> Traversable:
    if name not in NAMES:
        raise TableError(f"dataset {name!r} is not in the package; it has {', '.join(NAMES)}")
    return files(__name__) / f"{name}.{suffix}"
