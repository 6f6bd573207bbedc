from __future__ import annotations

import math
from typing import Any

import pytest

from jaxsynth.errors import PrivacyError, PrivacyWarning
from jaxsynth.privacy.settings import Privacy


def test_epsilon_alone_is_enough() -> None:
    privacy = Privacy(epsilon=1)
    assert (privacy.delta, privacy.adjacency, privacy.rows_per_subject, privacy.discover) == (
        1e-6,
        "add-remove",
        1,
        0,
    )


@pytest.mark.parametrize(
    ("given", "adjacency", "widening"),
    [
        ({}, "add-remove", 1),
        ({"rows": 10}, "zero-out", 1),
        ({"rows": 10, "adjacency": "zero-out"}, "zero-out", 1),
        ({"rows": 10, "adjacency": "replace"}, "replace", 2),
    ],
)
def test_adjacency_follows_from_rows(given: dict[str, Any], adjacency: str, widening: int) -> None:
    privacy = Privacy(epsilon=1, **given)
    assert privacy.relation == privacy.adjacency == adjacency
    assert privacy.widening == widening


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ({"epsilon": 0}, "epsilon is 0"),
        ({"epsilon": -1.0}, "epsilon is -1"),
        ({"epsilon": math.nan}, "epsilon is nan"),
        ({"epsilon": math.inf}, "epsilon is inf"),
        ({"epsilon": 20.1}, "0.01 to 20"),
        ({"epsilon": 0.001}, "0.01 to 20"),
        ({"delta": 0.0}, "delta is 0.0"),
        ({"delta": 1e-10}, "1e-9"),
        ({"delta": 1e-2}, "delta is 0.01"),
        ({"delta": math.nan}, "delta is nan"),
        ({"rows": 0}, "rows is 0"),
        ({"rows": 1.5}, "rows is 1.5"),
        ({"rows": True}, "rows is True"),
        ({"rows_per_subject": 0}, "rows_per_subject is 0"),
        ({"discover": -0.1}, "discover is -0.1"),
        ({"discover": 0.51}, "0 to 0.5"),
        ({"discover": math.nan}, "discover is nan"),
        ({"noise": "numpy"}, "'chacha20', 'threefry'"),
        ({"adjacency": "bounded"}, "'bounded'"),
        ({"adjacency": "zero-out"}, "give rows="),
        ({"adjacency": "replace"}, "give rows="),
        ({"adjacency": "add-remove", "rows": 5}, "leave rows out"),
    ],
)
def test_bad_values_are_refused_in_one_line(bad: dict[str, Any], says: str) -> None:
    with pytest.raises(PrivacyError) as error:
        Privacy(**{"epsilon": 1.0, **bad})
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_deterministic_noise_warns() -> None:
    with pytest.warns(PrivacyWarning, match="NOT PRIVATE"):
        Privacy(epsilon=1, deterministic_noise=True)
