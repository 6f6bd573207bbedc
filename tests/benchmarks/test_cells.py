"""Missing cells and types survive the way to a peer and back."""

from __future__ import annotations

import pytest

pytest.importorskip("pandas")

from benchmarks.peers.cells import FLAG, MISSING, restored, without_missing
from tests.benchmarks.tables import TABLE

CATEGORIES = ["dead", "group"]


def test_no_cell_is_missing_and_flags_say_which_were() -> None:
    prepared = without_missing(TABLE, CATEGORIES)
    assert not prepared.frame.isna().any().any()
    assert prepared.frame["age"].tolist() == [30, 40, 50, 40]
    assert prepared.frame["age" + FLAG].tolist() == ["no", "yes", "no", "no"]
    assert prepared.frame["dead"].tolist() == ["1", "0", MISSING, "1"]
    assert prepared.discrete == ["dead", "group", "age" + FLAG]
    assert prepared.notes == ["1 numbers: median for missing, and a flag column"]


def test_the_way_back_restores_the_table() -> None:
    prepared = without_missing(TABLE, CATEGORIES)
    assert restored(prepared.frame, TABLE.schema, CATEGORIES).equals(TABLE)


def test_a_word_that_a_peer_puts_for_a_rare_number_is_missing() -> None:
    frame = without_missing(TABLE, CATEGORIES).frame
    frame["dead"] = ["1", "_RARE_", "?", "0"]
    assert restored(frame, TABLE.schema, CATEGORIES)["dead"].to_pylist() == [1, None, None, 0]


def test_generated_fractions_become_whole_numbers() -> None:
    frame = without_missing(TABLE, CATEGORIES).frame
    frame["age"] = [30.6, 1.0, 50.4, 40.0]
    assert restored(frame, TABLE.schema, CATEGORIES)["age"].to_pylist() == [31, None, 50, 40]
