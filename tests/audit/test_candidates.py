from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxsynth.audit.candidates import split
from jaxsynth.errors import AuditError


@given(st.integers(2, 500), st.integers(4, 500), st.integers(0, 9), st.integers(1, 300))
def test_no_row_has_two_roles(n_train: int, n_holdout: int, seed: int, most: int) -> None:
    found = split(n_train, n_holdout, seed=seed, most=most)
    train = np.concatenate([found.members, found.known])
    holdout = np.concatenate([found.non_members, found.reference, found.release])
    assert len(np.unique(train)) == len(train) <= n_train
    assert sorted(holdout) == list(range(n_holdout))
    assert train.max() < n_train
    assert 1 <= len(found.members) == len(found.non_members) <= most
    assert len(found.reference) in (len(found.release), len(found.release) - 1)
    assert len(found.reference) >= 1


def test_the_seed_alone_decides() -> None:
    first, again, other = (split(100, 100, seed=s) for s in (1, 1, 2))
    assert first.members.tolist() == again.members.tolist()
    assert first.members.tolist() != other.members.tolist()
    assert len(first.members) == 50
    assert len(first.reference) == len(first.release) == len(first.known) == 25


@pytest.mark.parametrize(("n_train", "n_holdout", "what"), [(1, 10, "train: 1"), (10, 3, "holdout: 3")])
def test_refuses_too_few_rows(n_train: int, n_holdout: int, what: str) -> None:
    with pytest.raises(AuditError, match=f"{what} rows, a membership attack needs at least"):
        split(n_train, n_holdout, seed=0)
