"""`Synthesizer`: a trained generator in the user's hands: sample, stream, write, save."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth.errors import ConditionWarning
from jaxsynth.models import Generator, Model
from jaxsynth.privacy import Certificate
from jaxsynth.progress import Show
from jaxsynth.sample.blocks import BLOCK_ROWS, BlockSampler
from jaxsynth.sample.condition import Where, limits, listed, resolve
from jaxsynth.sample.lock import Part
from jaxsynth.sample.ranges import check_number
from jaxsynth.sample.receipts import Manifest
from jaxsynth.sample.rows import RowModel
from jaxsynth.sample.rules import Projection
from jaxsynth.sample.shard_plan import SHARD_ROWS
from jaxsynth.sample.stream import open_stream
from jaxsynth.sample.weigh import ConditionReport, Weigher
from jaxsynth.sample.write import BATCH_ROWS, write_rows
from jaxsynth.schema import Schema
from jaxsynth.tables import as_table, check_finite
from jaxsynth.train import Artefact, History
from jaxsynth.train import artefact as model_file

_COARSE = 0.05  # effective share of the draws below which a user should know


@dataclass(frozen=True, eq=False)
class Synthesizer:
    """A trained generator. Immutable; the same seed gives the same bytes for any batch or device count.

    Without a `certificate` the model file holds the training table's marginal frequencies and quantiles and
    weights fitted without a privacy guarantee: handle it like the data until an audit and your own review say
    otherwise.
    """

    artefact: Artefact

    @property
    def generator(self) -> Generator:
        """The hyper-parameters."""
        return self.artefact.generator

    @property
    def schema(self) -> Schema:
        """The schema it was fitted under."""
        return self.artefact.codec.schema

    @property
    def history(self) -> History:
        """Losses of the training run."""
        return self.artefact.history

    @property
    def certificate(self) -> Certificate | None:
        """What privacy was spent on what; None after training without any, which promises none."""
        return self.artefact.certificate

    @cached_property
    def _model(self) -> Model:
        return self.generator.build(self.artefact.codec.layout)

    @cached_property
    def _sampler(self) -> BlockSampler:
        return BlockSampler(self._model, self.artefact.codec.layout, self.artefact.params)

    @cached_property
    def _rows(self) -> RowModel:
        return RowModel(self._model, self.artefact.codec, self.artefact.params)

    @cached_property
    def _weigher(self) -> Weigher:
        return Weigher(self._model, self.artefact.params)

    def stream(
        self,
        rows: int,
        *,
        seed: int,
        start: int = 0,
        where: Where | None = None,
        batch_rows: int = BATCH_ROWS,
    ) -> pa.RecordBatchReader:
        """Rows `start .. start + rows - 1` of the stream that `seed` names.

        Args:
            rows: how many, >= 0.
            seed: 0 <= seed < 2**32.
            start: number of the first row; a stream cut in pieces is the stream.
            where: column -> value, list of values or `between(low, high)`; every row satisfies it, and every
                row keeps the schema's rules (`jaxsynth.sample.rules` says which cells move). For
                `Autoregressive` the other columns follow their exact conditional distribution where every
                condition is one value, or there is one condition; several sets or ranges are corrected by
                importance resampling, and a `ConditionWarning` says when that is coarse (see `weigh`). The
                other generators approximate; their documentation says how.
            batch_rows: most rows a batch, >= 1; changes no byte.

        Raises:
            ConditionError: an unknown column or value, an empty range, or a rule that the condition contradicts.
            SchemaError: rules that contradict each other.
            ValueError: a number out of its range.
        """
        _check_range(rows, seed, start)
        check_number("batch_rows", batch_rows, 1, 2**31)
        return self._opener(seed, where)(rows=rows, start=start, batch_rows=batch_rows)

    def _opener(self, seed: int, where: Where | None) -> Callable[..., pa.RecordBatchReader]:
        """`open_stream` of any rows under a condition, which is resolved and weighed once."""
        codec = self.artefact.codec
        condition = resolve(codec, where) if where else None
        if condition is not None and self._model.log_mass is not None:
            _warn_if_coarse(self._weigher.weigh(condition, seed))
        return partial(
            open_stream,
            self._sampler,
            codec,
            seed=seed,
            condition=condition,
            limits=limits(codec, where) if where else {},
            values=listed(codec, where) if where else {},
            projection=Projection.of(codec, where),
        )

    def sample(self, rows: int, *, seed: int, start: int = 0, where: Where | None = None) -> pa.Table:
        """The rows of `stream`, as one table of the training table's Arrow schema.

        Example:
            >>> import pyarrow as pa, jaxsynth as js
            >>> table = pa.table({"smoker": [True, False] * 50, "age": [40, 60] * 50})
            >>> synth = js.fit(table, js.VAE(min_steps=50, epochs=1), seed=0)
            >>> synth.sample(3, seed=1, where={"smoker": True})["smoker"].to_pylist()
            [True, True, True]
        """
        return self.stream(rows, seed=seed, start=start, where=where).read_all()

    def weigh(self, where: Where, *, seed: int = 0) -> ConditionReport:
        """How likely a condition is under the model, and how well rows that meet it can be drawn.

        Args:
            where: as in `stream`.
            seed: of the draws the estimate rests on.

        Raises:
            ConditionError: an unknown column or value, or an empty range.
            CapabilityError: the generator cannot say; `Autoregressive` can.
        """
        check_number("seed", seed, 0, 2**32)
        return self._weigher.weigh(resolve(self.artefact.codec, where), seed)

    def log_prob(self, table: Any) -> NDArray[np.float32]:
        """Log-likelihood of each row, float32 (n,), in nats.

        Of exact values (levels, integers with few distinct values, missing) it is the log-probability; a value of
        a continuous column counts as the probability of its interval times the density inside it relative to the
        uniform, so that figures of one model compare with each other whatever the columns' units. A number that
        a column with few distinct ones never held counts as the nearest it did.

        Args:
            table: anything `fit` takes, with the schema's columns; n >= 0 rows.

        Raises:
            TableError: unreadable, or with NaN or infinite cells.
            SchemaError: the table's columns are not the schema's.
            CodecError: a level that the schema does not know.
            CapabilityError: the generator has no likelihood; `Autoregressive` has.
        """
        return self._rows.log_prob(self._checked(table))

    def impute(self, table: Any, *, seed: int) -> pa.Table:
        """The table with its nulls drawn from the model given each row's observed cells.

        Observed cells stay as they are, and so do nulls of columns that are not learned. One draw, not a mean:
        analyses that need the uncertainty impute with several seeds. Imputed cells are moved onto the schema's
        rules where that needs no observed cell to change.

        Args:
            table: anything `fit` takes, with the schema's columns; n >= 0 rows.
            seed: 0 <= seed < 2**32.

        Raises:
            TableError: unreadable, or with NaN or infinite cells.
            SchemaError: the table's columns are not the schema's.
            CodecError: a level that the schema does not know.
            CapabilityError: the generator cannot condition on any set of cells; `Autoregressive` can.
        """
        check_number("seed", seed, 0, 2**32)
        return self._rows.impute(self._checked(table), seed)

    def _checked(self, table: Any) -> pa.Table:
        source = as_table(table)
        check_finite(source)
        self.schema.check(source)
        return source

    def write(
        self,
        out: str | os.PathLike[str],
        rows: int,
        *,
        seed: int,
        start: int = 0,
        where: Where | None = None,
        format: str | None = None,
        shard_rows: int = SHARD_ROWS,
        partition: str | None = None,
        workers: int | None = None,
        part: Part | Literal["auto"] = (0, 1),
        filesystem: Any = None,
        progress: Show = None,
    ) -> Manifest:
        """Write rows to one file, or to a directory of shards that can be resumed.

        A file appears whole or not at all. In a directory the plan is written first (`_plan.json`), then each
        shard with a receipt of its SHA-256, and the manifest (`_manifest.jsonl`) once all shards are there. The
        same call again checks what is there and builds what is missing or damaged; on a finished job it changes
        nothing. pyarrow and Spark read the directory, DuckDB and Polars `out/**/*.parquet`: the rows of `stream`,
        in its order where nothing is partitioned.

        Args:
            out: `x.parquet`, `x.arrow` or `x.csv` for one file; other names are directories. A local path, or
                an address such as `s3://bucket/prefix`.
            rows: see `stream`.
            seed: see `stream`.
            start: see `stream`.
            where: see `stream`.
            format: "parquet", "ipc" or "csv"; told from the name, else Parquet.
            shard_rows: most rows a shard, >= 1.
            partition: column of few values, each with a directory of its own (`race=white/`); the files leave
                it out.
            workers: shards written at a time, each by a thread; at most 8 and one a core by default.
            part: (r, n) writes shards r, r + n, r + 2n, ...: n processes or machines share one job. Who is
                last to end writes the manifest. "auto" takes this process's rank among, and the number of, those
                of a `jax.distributed` run, which must then all call this; each draws on its own devices.
            filesystem: of `pyarrow.fs` or fsspec, which `out` is then a path of.
            progress: rows, bytes and remaining time on stderr. None shows a bar on a terminal or in a notebook,
                and nothing elsewhere; True shows plain lines elsewhere, one every half minute, "json" JSON lines.

        Raises:
            OutputError: a format, column, part or place that cannot be; a directory that holds another job;
                shards that another process is writing; a full disk. Nothing half-written is left behind, and
                the same call goes on from the shards that were complete, as it does after Ctrl-C.
            ConditionError: see `stream`.

        Example:
            >>> import pyarrow as pa, jaxsynth as js, tempfile
            >>> synth = js.fit(pa.table({"age": [40, 60] * 50}), js.VAE(min_steps=50, epochs=1), seed=0)
            >>> with tempfile.TemporaryDirectory() as out:
            ...     [file.path for file in synth.write(out, 3000, seed=1, shard_rows=2000).files]
            ['part-00000.parquet', 'part-00001.parquet']
        """
        _check_range(rows, seed, start)
        return write_rows(
            partial(self._opener, seed, where),
            out,
            model=self.digest,
            schema=self.schema,
            rows=int(rows),
            seed=int(seed),
            start=int(start),
            where=where,
            format_=format,
            shard_rows=shard_rows,
            partition=partition,
            workers=workers,
            part=part,
            filesystem=filesystem,
            progress=progress,
        )

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the generator, in hexadecimal: what `save` returns."""
        return model_file.digest(self.artefact)

    def save(self, path: str | os.PathLike[str]) -> str:
        """Write the model file atomically; returns its SHA-256 digest.

        Raises:
            OutputError: the file cannot be written.
        """
        return model_file.save(self.artefact, Path(path))


def load(path: str | os.PathLike[str]) -> Synthesizer:
    """Read a model file. Runs no code from it.

    Raises:
        ArtefactError: missing, truncated, altered, foreign, or written by a newer release.
    """
    return Synthesizer(model_file.load(Path(path)))


def _warn_if_coarse(found: ConditionReport) -> None:
    if found.effective_share < _COARSE:
        warnings.warn(
            f"where: every row satisfies the condition, but its columns follow their joint distribution coarsely "
            f"({found}); condition on fewer sets or ranges at once",
            ConditionWarning,
            stacklevel=4,
        )


def _check_range(rows: int, seed: int, start: int) -> None:
    check_number("rows", rows, 0, 2**63)
    check_number("seed", seed, 0, 2**32)
    check_number("start", start, 0, BLOCK_ROWS * 2**32 - rows)
