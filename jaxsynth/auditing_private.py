"""A private fit attacked from inside: run as `fit` runs it but with canaries, of which only scores are kept."""

from __future__ import annotations

from typing import Any

from jaxsynth.fitting import require_columns
from jaxsynth.fitting_private import Prepared, randomness_of, speaker
from jaxsynth.models import Autoregressive, Generator
from jaxsynth.privacy import Privacy
from jaxsynth.schema import Schema
from jaxsynth.tables import as_table
from jaxsynth.train.canaries import CanaryScores, audit_training
from jaxsynth.train.progress import progress_bar


def audit_private_fit(
    table: Any,
    generator: Generator | None = None,
    *,
    schema: Schema,
    privacy: Privacy,
    canaries: int = 1000,
    seed: int = 0,
    progress: bool | None = None,
) -> CanaryScores:
    """Attack the training of a private fit by canaries; see `train.canaries`.

    The model is dropped: it has canaries in it, which nothing was paid for, and there is no certificate. The fit
    that is released is another one. What the scores show is turned into a lower bound of epsilon by
    `privacy.one_run` or, as the canaries share no coordinate, by `privacy.lower_bounds`.

    Args:
        table: as for `fit`.
        generator: as for `fit`; one that has a loss for each row.
        schema: public, as for `fit`.
        privacy: the claim.
        canaries: from 2 to the number of the model's parameters, each included by a fair coin.
        seed: draws the initial parameters.
        progress: show a progress bar; None shows it on a terminal.

    Raises:
        TableError: the table is unreadable.
        SchemaError: the schema disagrees with the table, or leaves no column to learn.
        PrivacyError: the generator has no private training or is trained by a game, the schema is not public, or
            there are too few canaries or too many.
    """
    source = as_table(table)
    schema.check_form(source)
    require_columns(schema)
    randomness = randomness_of(privacy, seed)
    own = Prepared.of(
        source, generator or Autoregressive(), schema, privacy, randomness, say=speaker(progress=progress)
    )
    ready = own.training(privacy, randomness, seed=seed)
    with progress_bar(show=progress) as report:
        return audit_training(ready, canaries, randomness, report=report)
