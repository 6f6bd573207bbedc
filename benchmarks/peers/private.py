"""One function a differentially private peer: fit on a table under (epsilon, delta), return how to sample.

Levels and bounds are public, from the schema; everywhere a peer can take them, it is given them and need not
pay. Its notes say what its budget leaves out. A peer is imported when it is asked for: their pins exclude one
another, so that no environment holds them all.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from benchmarks.peers.cells import text_categories
from benchmarks.peers.measure import Fitted
from benchmarks.peers.public import Public

Fit = Callable[[Any, pa.Table, Public, int, float, float], Fitted]

_PREPROCESSING = 0.1  # of epsilon, for bins: dpmm's default is .1 beside 1
_AIM_MEGABYTES = 80  # of the paper (McKenna et al. 2022)
_BINS = 100  # a number, where the peer has uniform bins only
_EPOCHS, _BATCH = 15, 2048  # of DP-SGD: what fits into 15 minutes on two cores
_MOSTLYAI_TRAIN = 0.8  # of the rows; the others are for its loss

_CTGAN_UNPAID = "the levels' exact frequencies, by which rows are drawn and generation is conditioned"
_DPCTGAN_UNPAID = (_CTGAN_UNPAID, "the last epoch: the budget is looked at before an epoch, not after")
_PATECTGAN_UNPAID = (_CTGAN_UNPAID, "all teachers: they and the student are one network, which sees every row")


def dpmm(pipeline: str, **options: Any) -> Fit:
    """MST, PrivBayes or AIM (McKenna et al. 2021, Zhang et al. 2017, McKenna et al. 2022) of dpmm."""

    def fit(module: Any, table: pa.Table, public: Public, seed: int, epsilon: float, delta: float) -> Fitted:
        spent = _PREPROCESSING * epsilon if public.bounds else 0.0
        model = getattr(module, pipeline)(
            epsilon=epsilon - spent, delta=delta, proc_epsilon=spent, binner_type="priv-tree", n_jobs=1, **options
        )
        domain = {name: {"categories": found} for name, found in public.levels.items()}
        bounds = {name: {"lower": low, "upper": high} for name, (low, high) in public.bounds.items()}
        model.fit(public.prepared(table), domain={**domain, **bounds}, random_state=seed)
        notes = [
            f"PrivTree bins between public bounds, {_PREPROCESSING:.0%} of epsilon",
            "not paid for: the number of rows, which sets how many bins and from which count they split",
        ]
        return Fitted(lambda rows: model.generate(n_records=rows, random_state=seed), notes, ("dpmm", "opendp"))

    return fit


def smartnoise_marginals(kind: str) -> Fit:
    """MST or AIM of smartnoise-synth, on uniform bins between public bounds, which cost nothing."""

    def fit(module: Any, table: pa.Table, public: Public, seed: int, epsilon: float, delta: float) -> Fitted:
        frame = public.prepared(table)
        model = getattr(module, kind)(epsilon=epsilon, delta=delta)
        model.fit(frame, transformer=_fitted_on_schema(public, frame, gan=False))
        notes = [
            f"{_BINS} uniform bins a number, whole numbers of fewer values kept",
            "not paid for: the number of rows, taken as known",
        ]
        return Fitted(model.sample, notes, ("smartnoise-synth", "opendp", "mbi"))

    return fit


def smartnoise_gan(kind: str, *unpaid: str) -> Fit:
    """DP-CTGAN or PATE-CTGAN of smartnoise-synth, defaults, numbers scaled between public bounds."""

    def fit(module: Any, table: pa.Table, public: Public, seed: int, epsilon: float, delta: float) -> Fitted:
        frame = public.prepared(table)
        model = getattr(module, kind)(epsilon=epsilon, delta=delta, cuda=False, verbose=False)
        model.fit(frame, transformer=_fitted_on_schema(public, frame, gan=True))
        return Fitted(
            model.sample, [f"not paid for: {what}" for what in unpaid], ("smartnoise-synth", "opacus", "torch")
        )

    return fit


def _fitted_on_schema(public: Public, frame: pd.DataFrame, *, gan: bool) -> Any:
    """Smartnoise's transformer, fitted on rows made up from the schema: nothing left to learn from the data."""
    transform = import_module("snsynth.transform")

    def of(name: str) -> Any:
        if name in public.levels:
            label = transform.LabelTransformer()
            return transform.ChainTransformer([label, transform.OneHotEncoder()]) if gan else label
        lower, upper = public.bounds[name]
        if gan:
            return transform.MinMaxTransformer(lower=lower, upper=upper)
        bins = min(_BINS, int(upper - lower) + 1) if name in public.integers else _BINS
        return transform.BinTransformer(lower=lower, upper=upper, bins=bins)

    transformer = transform.TableTransformer([of(name) for name in frame.columns])
    transformer.fit(public.example(list(frame.columns)))
    return transformer


def mostlyai(module: Any, table: pa.Table, public: Public, seed: int, epsilon: float, delta: float) -> Fitted:
    """TabularARGN of mostlyai-engine (Tiwald et al. 2025) by DP-SGD, noise calibrated to a fixed number of epochs.

    By default the noise is fixed and training ends with the budget, which at epsilon 1 is before it learns.

    Raises:
        RuntimeError: the weights it kept cost more than `epsilon`; it checks after an epoch only.
    """
    noise = import_module("opacus.accountants.utils").get_noise_multiplier
    train = round(_MOSTLYAI_TRAIN * table.num_rows)
    batch = min(_BATCH, train)
    multiplier = noise(
        target_epsilon=epsilon, target_delta=delta, sample_rate=1 / math.ceil(train / batch),
        steps=_EPOCHS * (train // batch), epsilon_tolerance=1e-3 * epsilon,
    )  # fmt: skip
    model = module.TabularARGN(
        random_state=seed, device="cpu", max_epochs=float(_EPOCHS), batch_size=batch, value_protection=False,
        differential_privacy=import_module("mostlyai.engine.domain").DifferentialPrivacyConfig(
            max_epsilon=epsilon, delta=delta, noise_multiplier=multiplier
        ),
    )  # fmt: skip
    model.fit(text_categories(table, public.categories))
    progress = pd.read_csv(Path(model.workspace_path_) / "ModelStore" / "model-data" / "progress-messages.csv")
    kept = progress[progress["is_checkpoint"] == 1].iloc[-1]
    if kept["dp_eps"] > epsilon:
        raise RuntimeError(f"spent epsilon {kept['dp_eps']:.4g}, more than the {epsilon:g} it was given")
    notes = [
        f"noise multiplier {multiplier:.4g} for {_EPOCHS} epochs of batches of {batch}; "
        f"kept epoch {kept['epoch']:.0f}, epsilon {kept['dp_eps']:.4g}",
        "not paid for: levels, values and quantile bins of numbers (value protection off)",
        "not paid for: the loss on a fifth of the rows, which picks the epoch and the learning rate",
    ]
    return Fitted(lambda rows: model.sample(n_samples=rows), notes, ("mostlyai-engine", "opacus", "torch"))


PRIVATE_PEERS: dict[str, tuple[str, Fit]] = {
    "dpmm-mst": ("dpmm.pipelines", dpmm("MSTPipeline")),
    "dpmm-privbayes": ("dpmm.pipelines", dpmm("PrivBayesPipeline")),
    "dpmm-aim": ("dpmm.pipelines", dpmm("AIMPipeline", max_model_size=_AIM_MEGABYTES)),
    "smartnoise-mst": ("snsynth.mst", smartnoise_marginals("MSTSynthesizer")),
    "smartnoise-aim": ("snsynth.aim", smartnoise_marginals("AIMSynthesizer")),
    "smartnoise-dpctgan": ("snsynth.pytorch.nn", smartnoise_gan("DPCTGAN", *_DPCTGAN_UNPAID)),
    "smartnoise-patectgan": ("snsynth.pytorch.nn", smartnoise_gan("PATECTGAN", *_PATECTGAN_UNPAID)),
    "mostlyai": ("mostlyai.engine", mostlyai),
}
