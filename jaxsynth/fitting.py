"""`fit`: table in, trained `Synthesizer` out. Validates once, at the border."""

from __future__ import annotations

import os
import warnings
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pa_dataset

from jaxsynth.codec import Codec
from jaxsynth.codec.packed import pack
from jaxsynth.errors import IdentifierWarning, PrivacyError, SchemaError, TableError
from jaxsynth.fitting_out_of_core import fit_out_of_core, survey_rows
from jaxsynth.fitting_private import fit_privately
from jaxsynth.models import Autoregressive, Generator
from jaxsynth.privacy import Privacy
from jaxsynth.progress import Show
from jaxsynth.schema import Schema
from jaxsynth.streams import RowStream
from jaxsynth.synthesizer import Synthesizer
from jaxsynth.tables import as_table, check_finite
from jaxsynth.train import Artefact, library_versions, train
from jaxsynth.train.progress import progress_bar

_FATE = {"regenerate": "regenerated", "drop": "dropped"}


def fit(
    table: Any,
    generator: Generator | None = None,
    *,
    schema: Schema | None = None,
    privacy: Privacy | None = None,
    seed: int = 0,
    progress: Show = None,
    cache: str | os.PathLike[str] | None = None,
) -> Synthesizer:
    """Train a generator on a table.

    A `pyarrow.dataset.Dataset` is never in memory whole: one pass over its files describes it, a second one writes
    its codes to a temporary file, and training reads that in windows of a million rows, each of blocks from all
    over it. What such a fit learns differs from one in memory as another seed does, and does not depend on how the
    rows are cut into files. Numeric columns of many values are cut into intervals by a sample of a million rows.
    A chunk of its history is one window.

    Args:
        table: a pyarrow Table, RecordBatchReader, path, or object with `__arrow_c_stream__`; n >= 1 rows. Or a
            Dataset of Parquet or Arrow files.
        generator: hyper-parameters; `Autoregressive()` by default.
        schema: the table's description; inferred if None (from the columns' types alone where training is
            private). Columns it marks as identifiers or text are not learned, and an `IdentifierWarning` says
            what happens to them.
        privacy: the differential privacy to keep, end to end; None trains without any. With it the schema must be
            public: given, with bounds and levels that were not read off the table, or `Privacy(discover=...)`
            must be allowed to find them. Cells that the schema does not admit are moved to what it admits
            (`jaxsynth.privacy.admit`), because an error would tell of them.
        seed: drives the split, initialisation and training; the same seed gives the same model on the same
            machine and library versions.
        progress: loss, speed and remaining time on stderr. None shows a bar on a terminal or in a notebook, and
            nothing elsewhere; True shows plain lines elsewhere, one every half minute, "json" JSON lines.
        cache: for a Dataset, an existing directory for its codes (one to four bytes a cell, eight for a number of
            many values), which are removed at the end; by default the environment's `JAXSYNTH_CACHE`, or else the
            directory for temporary files.

    Returns:
        The trained generator. Ctrl-C keeps the best parameters so far and says so in a `TrainingWarning`.

    Raises:
        TableError: unreadable, empty, or with NaN or infinite cells.
        SchemaError: the schema disagrees with the table, or leaves no column to learn.
        TrainingError: training diverged.
        PrivacyError: the generator has no private training, the schema is not public, or the table is a Dataset.
        OutputError: the codes of a Dataset do not fit on the disk, or cannot be written.
    """
    if isinstance(table, pa_dataset.Dataset):
        table = RowStream(table)
    if privacy is not None:
        if not isinstance(privacy, Privacy):
            raise PrivacyError(f"privacy is {privacy!r}; give jaxsynth.Privacy(epsilon=...), or None for none")
        if isinstance(table, RowStream):
            raise PrivacyError(
                "privacy: private training reads the table into memory for now; give a table, as "
                "dataset.to_table(), or a path"
            )
        source = as_table(table)
        # By types and names alone: what cells look like decides nothing that is not paid for.
        schema = Schema.infer(source.slice(0, 0)) if schema is None else schema
        schema.check_form(source)
        require_columns(schema)
        warn_of_identifiers(schema)
        own = generator or Autoregressive()
        return Synthesizer(fit_privately(source, own, schema, privacy, seed=seed, progress=progress))
    if isinstance(table, RowStream):
        found = survey_rows(table, schema, seed=seed, progress=progress)
        require_columns(found.schema)
        warn_of_identifiers(found.schema)
        own = generator or Autoregressive()
        return Synthesizer(fit_out_of_core(table, found, own, seed=seed, progress=progress, cache=cache))
    source = rows_to_learn(table)
    schema = described(source, schema)
    require_columns(schema)
    warn_of_identifiers(schema)
    return _fit(source, generator or Autoregressive(), schema, seed=seed, progress=progress)


def rows_to_learn(table: Any) -> pa.Table:
    """Read a table.

    Raises:
        TableError: unreadable, empty, or with NaN or infinite cells.
    """
    source = as_table(table)
    if source.num_rows == 0:
        raise TableError("table: no rows; give at least one row to learn from")
    check_finite(source)
    return source


def described(source: pa.Table, schema: Schema | None) -> Schema:
    """The table's description, inferred if None.

    Raises:
        SchemaError: it disagrees with the table.
    """
    schema = Schema.infer(source) if schema is None else schema
    schema.check(source)
    return schema


def require_columns(schema: Schema) -> None:
    """Raise `SchemaError` if no column is left to learn."""
    if not schema.modelled:
        raise SchemaError(
            "schema: every column is an identifier or text, none is left to learn; set a column's kind"
        )


def _fit(table: pa.Table, generator: Generator, schema: Schema, *, seed: int, progress: Show) -> Synthesizer:
    codec = Codec.fit(schema, table, max_intervals=generator.max_intervals)
    data = pack(codec.layout, codec.encode(table))
    with progress_bar(show=progress) as report:
        params, history = train(
            generator.build(codec.layout), codec.layout, data, generator.training, seed=seed, report=report
        )
    return Synthesizer(
        Artefact(
            generator=generator,
            codec=codec,
            params=params,
            history=history,
            rows=table.num_rows,
            seed=seed,
            versions=library_versions(),
        )
    )


def warn_of_identifiers(schema: Schema) -> None:
    """Say which columns are not learned and what happens to them, in the name of the caller's caller."""
    found = [c for c in schema if not c.modelled]
    if found:
        says = "; ".join(f"{c.name!r} ({c.pii or c.kind}): {_FATE[c.output]} on output" for c in found)
        warnings.warn(
            f"direct identifiers are not learned: {says}. Change a column's kind in the schema if this is wrong.",
            IdentifierWarning,
            stacklevel=3,
        )
