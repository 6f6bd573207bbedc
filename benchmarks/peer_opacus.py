"""Milliseconds of a clipped gradient of dense layers by Opacus: ghost mode, and gradients of every example.

    python peer_opacus.py BATCH WIDTH WIDTH ...

Needs torch and opacus; prints one line of JSON. Run by `benchmarks.dp`.
"""

from __future__ import annotations

import itertools
import json
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
from opacus.grad_sample import GradSampleModule
from opacus.grad_sample.grad_sample_module_fast_gradient_clipping import GradSampleModuleFastGradientClipping
from opacus.utils.fast_gradient_clipping_utils import DPLossFastGradientClipping

ROUNDS = 7


def layers(widths: list[int]) -> torch.nn.Module:
    """Dense layers with ReLU between them."""
    parts: list[torch.nn.Module] = []
    for m, n in itertools.pairwise(widths):
        parts += [torch.nn.Linear(m, n), torch.nn.ReLU()]
    return torch.nn.Sequential(*parts[:-1])


def ghost(widths: list[int], x: torch.Tensor) -> Callable[[], None]:
    """One clipped gradient in ghost mode: two backward passes."""
    module = GradSampleModuleFastGradientClipping(layers(widths), max_grad_norm=1.0, use_ghost_clipping=True)

    class Optimizer:
        """What the loss asks of an optimiser."""

        loss_reduction = "mean"

        def zero_grad(self) -> None:
            module.zero_grad()

    class Squares:
        """One loss an example where none is reduced."""

        reduction = "mean"

        def __call__(self, made: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
            losses = (made - wanted).square().mean(1)
            return losses if self.reduction == "none" else losses.mean()

    loss = DPLossFastGradientClipping(module, Optimizer(), Squares(), "mean")

    def once() -> None:
        module.zero_grad()
        loss(module(x), x).backward()

    return once


def each(widths: list[int], x: torch.Tensor) -> Callable[[], None]:
    """Gradients of every example, clipped and summed."""
    module = GradSampleModule(layers(widths))

    def once() -> None:
        module.zero_grad()
        torch.nn.MSELoss(reduction="mean")(module(x), x).backward()
        samples: list[Any] = [p.grad_sample for p in module.parameters()]
        norms = torch.stack([s.flatten(1).norm(dim=1) for s in samples]).norm(dim=0)
        factors = (1.0 / norms).clamp(max=1.0)
        for s in samples:
            torch.einsum("i,i...", factors, s)

    return once


def seconds(call: Callable[[], None]) -> float:
    """Median."""
    call()
    taken = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    batch, *widths = map(int, sys.argv[1:])
    torch.manual_seed(0)
    x = torch.randn(batch, widths[0])
    found = {"opacus ghost": 1e3 * seconds(ghost(widths, x)), "opacus each": 1e3 * seconds(each(widths, x))}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
