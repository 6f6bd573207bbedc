"""The walk in compiled code beside the one that XLA runs."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pyarrow as pa
import pytest

from jaxsynth.codec import Codec
from jaxsynth.devices import compiled
from jaxsynth.models import Autoregressive, Params, native_walk
from jaxsynth.models.autoregressive import RowLikelihood
from jaxsynth.models.ordered import OrderedNet
from jaxsynth.models.uniforms import spread_uniforms
from jaxsynth.models.walk import Given, Walked, Walker
from jaxsynth.schema import Schema

ROWS = 600


@pytest.fixture(scope="module")
def net() -> tuple[OrderedNet, Params]:
    rng = np.random.default_rng(0)
    number, stay = rng.normal(size=3000), rng.integers(1, 60, 3000)
    again = rng.random(3000) < 0.6
    table = pa.table(
        {
            "number": number,
            "number again": np.where(again, number, rng.normal(size=3000)),
            "stay": stay,
            "stay again": np.where(again, stay, rng.integers(1, 60, 3000)),
            "count": rng.poisson(3, 3000),
            "kind": rng.integers(0, 5, 3000).astype(str),
            "flag": rng.random(3000) < 0.3,
            **{f"b{i}": rng.random(3000) < 0.5 for i in range(18)},
        }
    )
    layout = Codec.fit(Schema.infer(table), table, max_intervals=32).layout
    net = RowLikelihood.make(Autoregressive(hidden=32, rank=8), layout).net
    start = net.init(jax.random.key(0))
    return net, jax.tree.map(lambda a: a + 0.2 * rng.normal(size=a.shape).astype(np.float32), start)


def given(net: OrderedNet, kind: str) -> Given | None:
    rng = np.random.default_rng(1)
    d = len(net.order)
    if kind == "nothing":
        return None
    if kind == "known":
        known = rng.random((d, ROWS)) < 0.4
        known[2] = True
        return Given(jnp.asarray(known), jnp.asarray(known.all(1)), None)
    shares = [np.where(rng.random(g.prior.shape) < 0.5, 0.0, -1.0) for g in net.groups]
    for own, group in zip(shares, net.groups, strict=True):
        own[:, 1::2] = -2e9
        own[group.prior < -1e8] = -2e9
    allowed = [jnp.asarray(own, jnp.float32) for own in shares]
    return Given(None, jnp.arange(d) % 3 == 0, allowed, weigh=True)


@pytest.mark.parametrize("kind", ["nothing", "known", "allowed"])
def test_both_walks_draw_the_same(net: tuple[OrderedNet, Params], kind: str) -> None:
    network, params = net
    assert native_walk.can(network)
    assert sum(c.count for c in network.copying) >= 2
    d = len(network.order)
    uniforms = spread_uniforms(jax.random.key(2), 0, d, ROWS)
    codes = jnp.asarray(np.random.default_rng(3).integers(0, 2, (d, ROWS)), jnp.int32)
    what = given(network, kind)
    codes = codes if kind == "known" else codes * 0
    fast: Walked = compiled(lambda p, u, c: native_walk.walk(network, p, u, what, c))(params, uniforms, codes)
    plain: Walked = compiled(lambda p, u, c: Walker(network).walk(p, u, what, c))(params, uniforms, codes)
    same = (fast.codes == plain.codes).all(0)
    assert same.mean() > 0.97  # a uniform on the border of two codes may fall on either side
    np.testing.assert_allclose(
        fast.tilts[network.tilted][:, same], plain.tilts[network.tilted][:, same], atol=1e-3
    )
    np.testing.assert_allclose(fast.log_mass[same], plain.log_mass[same], atol=1e-3)
    assert (np.asarray(fast.log_mass) != 0).any() == (kind == "allowed")
