"""The share of rows closer to the training half, at its limits."""

from __future__ import annotations

import pyarrow as pa
import pytest

from benchmarks.protocol.memorisation import closer_share
from jaxsynth.schema import Schema
from tests.conftest import make_table

TRAIN, HOLDOUT = make_table(300, 0), make_table(300, 1)
SCHEMA = Schema.infer(pa.concat_tables([TRAIN, HOLDOUT]))


def test_copies_of_training_rows_are_all_closer() -> None:
    assert closer_share(TRAIN, train=TRAIN, holdout=HOLDOUT, schema=SCHEMA) == 1.0


def test_copies_of_held_out_rows_are_none() -> None:
    assert closer_share(HOLDOUT, train=TRAIN, holdout=HOLDOUT, schema=SCHEMA) == 0.0


def test_fresh_rows_are_half() -> None:
    fresh = make_table(600, 2)
    assert closer_share(fresh, train=TRAIN, holdout=HOLDOUT, schema=SCHEMA) == pytest.approx(0.5, abs=0.08)


def test_a_tie_counts_half() -> None:
    assert closer_share(make_table(50, 3), train=TRAIN, holdout=TRAIN, schema=SCHEMA) == 0.5
