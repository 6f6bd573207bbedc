"""`Diffusion`: joint diffusion in continuous time over numbers and masked codes (as TabDiff, Shi et al. 2024).

Differs from TabDiff in what diffuses: missing and inflated values are states of a masked code beside each
number, columns of well-filled exact codes are masked codes, and numbers are standard normal by construction
(normal quantiles of dequantised ranks), so integers come back as integers and marginals hold by themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.codec.groups import Group, group_columns
from jaxsynth.codec.layout import CodeSpec
from jaxsynth.models.base import Batch, Condition, Model, Params, Training, training_of
from jaxsynth.models.diffusion_columns import Cells, Columns
from jaxsynth.models.diffusion_sampler import Held, Walk, nothing_held, run
from jaxsynth.models.diffusion_schedule import Schedule, draw_times, mask_weight, scaling
from jaxsynth.models.draw import code_log_prob, draw_codes
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.nets import JointDenoiser, apply


@dataclass(frozen=True, kw_only=True)
class Diffusion:
    """Hyper-parameters of the joint diffusion.

    Conditions (`where=`) are met by deciding the conditioned cells first and generating the others around
    them. Every row satisfies them. A cell is drawn from its own column's distribution within the condition:
    right for one conditioned column, approximate for several, which are drawn independently of each other.

    On Adult (32,561 rows), 2026-11-25, `python -m benchmarks.quality --sets adult --models diffusion`: shape error
    0.65 %, trend error 1.35 %, AUC of XGBoost that tells it from held-out rows 0.538; 341 s on two cores.

    Attributes:
        width: of the network's residual stream; its layers are twice as wide inside.
        depth: residual layers.
        dropout: share of hidden units left out in training, drawn anew for every row.
        steps: second-order steps of the sampler, at most 25; the network is evaluated 2 * steps - 1 times.
        sigma_min, sigma_max, rho: noise on numbers of unit variance; see `Schedule`.
        number_weight: weight of the numbers' squared errors against the codes' cross-entropies.
        rows_a_code: exact columns with at least so many training rows a code are masked codes, others numbers.
        max_intervals: interval codes a continuous column is cut into at most.
        batch, epochs, min_steps, learning_rate, weight_decay, validation, patience, ema: see `Training`.
    """

    width: int = 256
    depth: int = 3
    dropout: float = 0.1
    steps: int = 25
    sigma_min: float = 0.02
    sigma_max: float = 20.0
    rho: float = 7.0
    number_weight: float = 1.0
    rows_a_code: float = 100.0
    max_intervals: int = 64
    batch: int = 512
    epochs: int = 70
    min_steps: int = 3500
    learning_rate: float = 2e-3
    weight_decay: float = 1e-4
    validation: float = 0.05
    patience: float = 0.2
    ema: float = 0.03

    @classmethod
    def accelerator(cls) -> Diffusion:
        """A large network for an accelerator, aimed at TabDiff's figures on Adult.

        These are a detection score of .841 and a trend error of 1.54 % (arXiv 2603.23016, tables of its
        repository). This configuration has NOT been run: no accelerator was at hand, and on a CPU it would take
        days. About 26 million weights and, on Adult, 28,000 steps of 4,096 rows.
        """
        return cls(width=1024, depth=6, batch=4096, epochs=4000, min_steps=20_000, learning_rate=1e-3, ema=0.02)

    @property
    def name(self) -> str:
        """The name in artefacts and on the command line."""
        return "diffusion"

    @property
    def training(self) -> Training:
        """How it is trained; no term of the loss is phased in."""
        return training_of(self, settle=0.0)

    @property
    def schedule(self) -> Schedule:
        """Noise levels and sampler steps."""
        return Schedule(sigma_min=self.sigma_min, sigma_max=self.sigma_max, rho=self.rho, steps=self.steps)

    def build(self, layout: tuple[CodeSpec, ...]) -> Model:
        """The model for a layout."""
        net = _Net.make(self, layout)
        return Model(init=net.init, loss=net.loss, sample=net.sample)


@dataclass(frozen=True, eq=False)
class _Net:
    """The network for one layout and the pure functions over its parameters."""

    schedule: Schedule
    number_weight: float
    dropout: float
    layout: tuple[CodeSpec, ...]
    columns: Columns
    groups: tuple[Group, ...]
    masks: np.ndarray  # int (d,), the code that stands for the mask, in each column
    denoiser: JointDenoiser

    @classmethod
    def make(cls, config: Diffusion, layout: tuple[CodeSpec, ...]) -> _Net:
        columns = Columns.make(layout, config.rows_a_code)
        groups = group_columns(columns.specs)
        return cls(
            schedule=config.schedule,
            number_weight=config.number_weight,
            dropout=config.dropout,
            layout=layout,
            columns=columns,
            groups=groups,
            masks=np.array([s.size for s in columns.specs], np.int32),
            denoiser=JointDenoiser(
                embedded=group_columns(tuple(_with_mask(s) for s in columns.specs)),
                groups=groups,
                numbers=len(columns.numeric),
                width=config.width,
                depth=config.depth,
            ),
        )

    def init(self, key: jax.Array) -> Params:
        codes = jnp.zeros((1, len(self.columns.specs)), jnp.int32)
        numbers = jnp.zeros((1, len(self.columns.numeric)))
        init = jax.jit(self.denoiser.init)
        params: Params = init(key, codes, numbers, numbers > 0, jnp.zeros(1), self._keep_all())["params"]
        return params

    def _keep_all(self) -> jax.Array:
        return jnp.ones((self.denoiser.depth, 1, 1))

    def _keep(self, keys: RowKeys, progress: jax.Array) -> jax.Array:
        """Dropout's factors, (depth, b, 2 * width), different for every row; none once training is done."""
        depth, width = self.denoiser.depth, 2 * self.denoiser.width
        bits = keys.each(lambda key: jax.random.bits(key, (depth, width), jnp.uint8)).swapaxes(0, 1)
        share = round(256 * self.dropout)
        kept = jnp.where(bits < share, 0.0, 256 / (256 - share))
        return jnp.where(progress < 1, kept, 1.0)

    def loss(self, params: Params, batch: Batch, keys: RowKeys, progress: jax.Array) -> jax.Array:
        """Weighted cross-entropy of masked codes and squared errors of numbers, (b,)."""
        d, v = len(self.columns.specs), len(self.columns.numeric)
        place, when, mask, number, drop = keys.split(5)
        cells = self.columns.encode(batch, place.each(lambda key: jax.random.uniform(key, (v,))))
        time = draw_times(when)
        masked = mask.each(lambda key: jax.random.uniform(key, (d,))) < time[:, None]
        noise = number.each(lambda key: jax.random.normal(key, (v,)))
        sigma = self.schedule.sigma(time)[:, None]
        walk = Walk(cells.codes, masked, cells.numbers + sigma * noise)
        absent = self._absent(walk)
        keep = self._keep(drop, progress)
        logits, output = self._network(params, walk, absent, sigma[:, 0], keep)
        scale = scaling(sigma)
        error = output - (cells.numbers - scale.skip * walk.numbers) / scale.out
        numbers = jnp.where(absent, 0.0, jnp.square(error)).sum(1)
        return mask_weight(time) * self._surprise(cells.codes, masked, logits) + self.number_weight * numbers

    def _network(
        self, params: Params, walk: Walk, absent: jax.Array, sigma: jax.Array, keep: jax.Array
    ) -> tuple[list[jax.Array], jax.Array]:
        """Logits (g, width, b) of each group and the raw output (b, v), at noise levels (b,)."""
        codes = jnp.where(walk.masked, self.masks, walk.codes)
        numbers = walk.numbers * scaling(sigma[:, None]).into
        logits, output = apply(self.denoiser, params, codes, numbers, absent, jnp.log(sigma), keep)
        return logits, output

    def _absent(self, walk: Walk) -> jax.Array:
        """Numbers (b, v) whose state is revealed and says that there is none."""
        return self.columns.states(jnp.where(walk.masked, 0, walk.codes)) > 0

    def _surprise(self, codes: jax.Array, masked: jax.Array, logits: list[jax.Array]) -> jax.Array:
        """Cross-entropy of the masked codes, (b,)."""
        total = jnp.zeros(len(codes))
        for group, own in zip(self.groups, logits, strict=True):
            index = np.array(group.index)
            total -= jnp.where(masked.T[index], code_log_prob(own, codes.T[index]), 0.0).sum(0)
        return total

    def sample(self, params: Params, key: jax.Array, n: int, condition: Condition | None) -> Batch:
        """Rows by the joint sampler, around the cells that the condition decides."""
        decide_key, hold_key, run_key = jax.random.split(key, 3)

        def predict(walk: Walk, sigma: jax.Array, draw_key: jax.Array) -> tuple[jax.Array, jax.Array]:
            logits, output = self._network(params, walk, self._absent(walk), jnp.full(n, sigma), self._keep_all())
            scale = scaling(sigma)
            uniforms = jax.random.uniform(draw_key, (sum(len(g.index) for g in self.groups), n))
            codes = draw_codes(uniforms, self.groups, [jax.nn.softmax(own, axis=1) for own in logits])
            return codes, scale.skip * walk.numbers + scale.out * output

        if condition is None:
            held = nothing_held(n, len(self.columns.specs), len(self.columns.numeric))
            walk = run(predict, self.schedule, held, run_key)
            return self.columns.decode(Cells(walk.codes, walk.numbers))
        decided = _decide(decide_key, self.layout, condition, n)
        walk = run(predict, self.schedule, self._hold(decided, condition, hold_key), run_key)
        return _imposed(self.columns.decode(Cells(walk.codes, walk.numbers)), decided, condition, self.layout)

    def _hold(self, decided: Batch, condition: Condition, key: jax.Array) -> Held:
        inside = jax.random.uniform(key, (len(decided.codes), len(self.columns.numeric)))
        cells = self.columns.encode(decided, inside)
        plain, numeric = (
            condition.active[np.array(i, np.int64)] for i in (self.columns.plain, self.columns.numeric)
        )
        active = jnp.concatenate([plain, numeric[self.columns.stated]])
        return Held(
            cells.codes,
            jnp.broadcast_to(active, cells.codes.shape),
            cells.numbers,
            jnp.broadcast_to(numeric, cells.numbers.shape),
        )


def _decide(key: jax.Array, layout: tuple[CodeSpec, ...], condition: Condition, n: int) -> Batch:
    """A cell for every column, drawn from the training frequencies within what the condition allows."""
    code_key, place_key = jax.random.split(key)
    codes, places = [], []
    for i, spec in enumerate(layout):
        mass = (jnp.asarray(spec.counts, jnp.float32) + 1e-3) * condition.weight[i]
        u = jax.random.uniform(jax.random.fold_in(code_key, i), (n,), maxval=1 - 1e-6)
        total = jnp.cumsum(mass)
        code = jnp.minimum(jnp.searchsorted(total, u * total[-1], side="right"), spec.size - 1)
        codes.append(code)
        if spec.continuous:
            low, high = condition.low[i][code], condition.high[i][code]
            place = low + (high - low) * jax.random.uniform(jax.random.fold_in(place_key, i), (n,))
            places.append(jnp.clip(place, 0.0, 1.0 - 2.0**-24))
    return Batch(
        jnp.stack(codes, axis=1).astype(jnp.int32), jnp.stack(places, axis=1) if places else jnp.zeros((n, 0))
    )


def _imposed(rows: Batch, decided: Batch, condition: Condition, layout: tuple[CodeSpec, ...]) -> Batch:
    """Decided cells as they were decided: the way there and back may round."""
    continuous = np.array([i for i, s in enumerate(layout) if s.continuous], np.int64)
    return Batch(
        jnp.where(condition.active, decided.codes, rows.codes),
        jnp.where(condition.active[continuous], decided.positions, rows.positions),
    )


def _with_mask(spec: CodeSpec) -> CodeSpec:
    """The column with one more code, the mask, that stands alone."""
    return replace(
        spec,
        counts=np.append(spec.counts, 0),
        rank=np.append(spec.rank, np.nan),
        free=np.append(spec.free, True),
        has_position=np.append(spec.has_position, False),
    )


def from_json(data: Mapping[str, Any]) -> Diffusion:
    """The configuration that an artefact holds."""
    return Diffusion(**data)
