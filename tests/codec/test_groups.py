from __future__ import annotations

import numpy as np
import pyarrow as pa

from jaxsynth.codec import Codec
from jaxsynth.codec.groups import PADDING, group_columns
from jaxsynth.schema import Schema


def test_columns_of_like_width_share_a_group_and_padding_has_no_mass() -> None:
    rng = np.random.default_rng(0)
    cells: dict[str, object] = {f"b{i}": rng.integers(0, 2, 500) for i in range(50)}
    cells["wide"] = [f"l{i}" for i in rng.integers(0, 300, 500)]
    cells["ordered"] = rng.integers(0, 40, 500)
    table = pa.table(cells)
    layout = Codec.fit(Schema.infer(table), table).layout
    groups = group_columns(layout)
    assert sorted(i for g in groups for i in g.index) == list(range(52))
    assert len(groups) == 3
    for group in groups:
        for prior, size in zip(group.prior, group.sizes, strict=True):
            assert (prior[size:] == PADDING).all()
            np.testing.assert_allclose(np.exp(prior[:size]).sum(), 1, rtol=1e-5)


def test_neighbouring_codes_have_neighbouring_features() -> None:
    table = pa.table({"x": np.random.default_rng(0).integers(0, 100, 5000)})
    (group,) = group_columns(Codec.fit(Schema.infer(table), table).layout)
    assert group.basis is not None
    near = np.linalg.norm(group.basis[0, 50] - group.basis[0, 51])
    far = np.linalg.norm(group.basis[0, 50] - group.basis[0, 90])
    assert near < far / 2
