"""Rows of a model's stream, as worker processes open them: the model travels once and is loaded once a process."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import ray

from jaxsynth.errors import ConditionWarning
from jaxsynth.sample import Where
from jaxsynth.sample.write import BATCH_ROWS
from jaxsynth.synthesizer import Synthesizer, load

_loaded: dict[str, Synthesizer] = {}  # the last model of this process, by its digest


@dataclass(frozen=True)
class Rows:
    """The rows of a stream, for any process of the cluster.

    Attributes:
        model: bytes of the model file, in the object store.
        digest: its SHA-256.
        seed: of the stream.
        where: the condition.
    """

    model: ray.ObjectRef[bytes]
    digest: str
    seed: int
    where: Where | None

    def open(self, start: int, rows: int) -> pa.RecordBatchReader:
        """Rows `start .. start + rows - 1`, in the batches of `Synthesizer.write`."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConditionWarning)  # the driver has told it
            return self._synthesizer().stream(
                rows, seed=self.seed, start=start, where=self.where, batch_rows=BATCH_ROWS
            )

    def _synthesizer(self) -> Synthesizer:
        if self.digest not in _loaded:
            _loaded.clear()
            with _model_file() as file:
                file.write_bytes(ray.get(self.model))
                _loaded[self.digest] = load(file)
        return _loaded[self.digest]


def sent(synth: Synthesizer, seed: int, where: Where | None) -> Rows:
    """Put a model where the cluster's processes find it."""
    with _model_file() as file:
        digest = synth.save(file)
        return Rows(ray.put(file.read_bytes()), digest, seed, where)


def loaded(model: Synthesizer | str | os.PathLike[str]) -> Synthesizer:
    """The model itself, or that of a file.

    Raises:
        ArtefactError: see `jaxsynth.load`.
    """
    return model if isinstance(model, Synthesizer) else load(model)


@contextmanager
def _model_file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="jaxsynth-") as directory:
        yield Path(directory) / "model.jsynth"
