"""`fit` on a table larger than memory: one pass describes it, one writes its codes, training reads windows."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import numpy as np

from jaxsynth.models import Generator
from jaxsynth.out_of_core.cache import Cache, open_cache
from jaxsynth.out_of_core.coding import counted, fit_codec
from jaxsynth.out_of_core.draws import draw_rows
from jaxsynth.out_of_core.encoding import encode_rows
from jaxsynth.out_of_core.records import record_type
from jaxsynth.out_of_core.sizes import Sizes
from jaxsynth.out_of_core.survey import Survey, Tell, survey
from jaxsynth.out_of_core.windows import Windows
from jaxsynth.progress import Report, Show, reporting
from jaxsynth.schema import Schema
from jaxsynth.streams import RowStream
from jaxsynth.train import Artefact, library_versions
from jaxsynth.train.loop import train_on
from jaxsynth.train.plan import held_out
from jaxsynth.train.progress import progress_bar
from jaxsynth.train.rows import OutOfCore
from jaxsynth.train.scoring import CALIBRATION_ROWS


def survey_rows(
    stream: RowStream, schema: Schema | None, *, seed: int, progress: Show, sizes: Sizes | None = None
) -> Survey:
    """The first pass; see `out_of_core.survey`."""
    with _telling("describing", rows=None, show=progress) as tell:
        return survey(stream, schema, seed=seed, sizes=sizes or Sizes(), tell=tell)


def fit_out_of_core(
    stream: RowStream,
    found: Survey,
    generator: Generator,
    *,
    seed: int,
    progress: Show,
    cache: str | os.PathLike[str] | None = None,
    sizes: Sizes | None = None,
) -> Artefact:
    """A generator trained on rows that are never in memory together.

    Args:
        stream: the rows.
        found: what the first pass knows of them.
        generator: hyper-parameters.
        seed: drives all that is random.
        progress: see `fit`.
        cache: an existing directory for the rows' codes.
        sizes: what may be in memory at once.

    Raises:
        TableError: unreadable, or changed since the first pass.
        OutputError: the cache cannot be written.
        TrainingError: training diverged.
    """
    sizes = sizes or Sizes()
    codec = fit_codec(found, max_intervals=generator.max_intervals)
    count = min(held_out(found.rows, generator.training), sizes.held)
    held = draw_rows(found.rows, count, np.random.default_rng([seed, 1]))
    with open_cache(record_type(codec.layout), found.rows - count, cache) as store:
        with _telling("encoding", rows=found.rows, show=progress) as tell:
            held_rows, counts = encode_rows(stream, codec, held, store, rows=found.rows, tell=tell)
        codec = counted(codec, counts)
        own = _training_rows(store, seed, sizes)
        with progress_bar(show=progress) as report:
            params, history = train_on(
                generator.build(codec.layout), codec.layout, own, held_rows, generator.training, seed=seed,
                report=report,
            )  # fmt: skip
    return Artefact(
        generator=generator,
        codec=codec,
        params=params,
        history=history,
        rows=found.rows,
        seed=seed,
        versions=library_versions(),
    )


def _training_rows(store: Cache, seed: int, sizes: Sizes) -> OutOfCore:
    windows = Windows(store, seed, sizes)
    return OutOfCore(windows, windows.evenly(CALIBRATION_ROWS))


@contextlib.contextmanager
def _telling(task: str, *, rows: int | None, show: Show) -> Iterator[Tell | None]:
    """A function to be called with the rows that are done."""
    with reporting(task, show=show) as tell:
        yield None if tell is None else lambda done: tell(Report(rows=done, of=rows or done))
