"""`fit` with privacy: plan, count, discovery, marginals, training, certificate; all reads through the ledger."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich.console import Console

from jaxsynth.codec import Codec
from jaxsynth.codec.packed import Packed, pack
from jaxsynth.models import Generator, Model
from jaxsynth.models.private import under_privacy
from jaxsynth.privacy import Certificate, Ledger, Privacy
from jaxsynth.privacy.admit import admit
from jaxsynth.privacy.declared import require_declared, widened
from jaxsynth.privacy.discover import discover
from jaxsynth.privacy.events import TrainingEvent
from jaxsynth.privacy.plan import make_plan
from jaxsynth.privacy.private_codec import private_codec
from jaxsynth.privacy.query import Query
from jaxsynth.privacy.randomness import Deterministic, Randomness, Secure
from jaxsynth.progress import Show, json_line
from jaxsynth.schema import Schema
from jaxsynth.train import Artefact, library_versions
from jaxsynth.train.flat import Flat
from jaxsynth.train.private import train_private
from jaxsynth.train.private_run import PrivateRun, prepare
from jaxsynth.train.progress import progress_bar

_MARGINALS = 0.15  # share of the budget for the columns' marginals, which the codec and the network start from

_ROWS = 0.01  # share for the number of rows, where subjects have several


def fit_privately(
    table: pa.Table, generator: Generator, schema: Schema, privacy: Privacy, *, seed: int, progress: Show
) -> Artefact:
    """A trained generator whose parts are all paid for.

    Args:
        table: private rows.
        generator: hyper-parameters; see `models.private`.
        schema: public, but for what discovery may find.
        privacy: the budget.
        seed: draws the initial parameters.
        progress: see `fit`; the plan is printed unless it is False.

    Raises:
        PrivacyError: the generator has no private training, or the schema is not public.
    """
    randomness = randomness_of(privacy, seed)
    ready = Prepared.of(table, generator, schema, privacy, randomness, say=speaker(progress=progress))
    training = ready.training(privacy, randomness, seed=seed)
    with progress_bar(show=progress) as report:
        params, history = train_private(training, report=report)
    return Artefact(
        generator=ready.generator,
        codec=ready.codec,
        params=params,
        history=history,
        rows=ready.event.units,
        seed=seed,
        versions=library_versions(),
        certificate=Certificate.of(ready.ledger, ready.codec.schema),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """All that comes before a private training, paid for.

    Attributes:
        generator: with the settings of private training.
        ledger: that paid.
        codec: from noisy counts.
        model: of the codec's layout.
        event: what the training may release, charged.
        data: encoded rows.
        slots: int64 (n, k), the rows of each subject.
    """

    generator: Generator
    ledger: Ledger
    codec: Codec
    model: Model
    event: TrainingEvent
    data: Packed
    slots: NDArray[np.int64]

    @classmethod
    def of(
        cls,
        table: pa.Table,
        generator: Generator,
        schema: Schema,
        privacy: Privacy,
        randomness: Randomness,
        *,
        say: Callable[[str], None],
    ) -> Prepared:
        """Arguments and errors as in `fit_privately`; `say` is told the plan."""
        generator, steps = under_privacy(generator)
        require_declared(schema, discover=privacy.discover > 0)
        schema = widened(schema)
        ledger = Ledger(table, schema, make_plan(privacy, _stages(privacy)), randomness)
        say(str(ledger.plan))
        units = ledger.count()
        if privacy.discover:
            schema = discover(schema, ledger, delta=ledger.plan.levels_delta).schema
        rows = units if privacy.rows_per_subject == 1 else _count_rows(ledger)
        codec = private_codec(schema, ledger, rows=rows, max_intervals=generator.max_intervals)
        model = generator.build(codec.layout)
        plan = ledger.plan.with_training(
            probability=steps.probability_of(units),
            steps=steps.steps_at(privacy.epsilon),
            parameters=_charged_parameters(model),
            units=units,
            clipping_norm=steps.clip * privacy.rows_per_subject,
        )
        say(str(plan).splitlines()[-1])
        assert plan.training is not None
        data, slots = ledger.training_rows(_encoder(codec), plan=plan)
        return cls(
            generator=generator,
            ledger=ledger,
            codec=codec,
            model=model,
            event=plan.training,
            data=data,
            slots=slots,
        )

    def training(self, privacy: Privacy, randomness: Randomness, *, seed: int) -> PrivateRun:
        """The training, ready to run; `seed` draws the initial parameters."""
        return prepare(
            self.model,
            self.codec.layout,
            self.data,
            self.slots,
            self.generator.training,
            self.event,
            seed=seed,
            randomness=randomness,
            threefry=privacy.noise == "threefry",
        )


def randomness_of(privacy: Privacy, seed: int) -> Randomness:
    """Where a private fit draws noise, batches and choices."""
    return Deterministic(seed) if privacy.deterministic_noise else Secure()


def _stages(privacy: Privacy) -> dict[str, float]:
    """Shares of the budget; subjects of one row each are counted already."""
    return {"marginals": _MARGINALS} | ({"rows": _ROWS} if privacy.rows_per_subject > 1 else {})


def _count_rows(ledger: Ledger) -> int:
    query = Query(
        name="number of rows",
        sensitivity=float(ledger.rows_per_subject),
        statistic=lambda table: np.array([table.num_rows], np.int64),
    )
    return max(1, round(float(ledger.measure(query, stage="rows")[0])))


def _charged_parameters(model: Model) -> int:
    """Of the network that reads rows."""
    init = model.init if model.private_game is None else model.private_game().init
    return Flat.of(init).size


def _encoder(codec: Codec) -> Callable[[pa.Table, NDArray[np.int64]], tuple[Packed, NDArray[np.int64]]]:
    def read(table: pa.Table, slots: NDArray[np.int64]) -> tuple[Packed, NDArray[np.int64]]:
        return pack(codec.layout, codec.encode(admit(table, codec.schema), nearest=True)), slots

    return read


def speaker(*, progress: Show) -> Callable[[str], None]:
    """Prints to stderr, into logs too, unless progress is turned off."""
    if progress == "json":
        return lambda text: json_line("note", message=text)
    console = Console(stderr=True, soft_wrap=True)
    return (lambda text: None) if progress is False else (lambda text: console.print(text, highlight=False))
