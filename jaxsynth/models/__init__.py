"""Generators: one a file, each a frozen configuration that builds pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from jaxsynth.errors import ArtefactError
from jaxsynth.models.autoregressive import Autoregressive as Autoregressive
from jaxsynth.models.autoregressive import from_json as _autoregressive_from_json
from jaxsynth.models.base import Batch as Batch
from jaxsynth.models.base import Condition as Condition
from jaxsynth.models.base import Generator as Generator
from jaxsynth.models.base import Model as Model
from jaxsynth.models.base import Params as Params
from jaxsynth.models.base import Training as Training
from jaxsynth.models.diffusion import Diffusion as Diffusion
from jaxsynth.models.diffusion import from_json as _diffusion_from_json
from jaxsynth.models.gan import GAN as GAN
from jaxsynth.models.gan import from_json as _gan_from_json
from jaxsynth.models.vae import VAE as VAE
from jaxsynth.models.vae import from_json as _vae_from_json

GENERATORS: dict[str, Callable[[Mapping[str, Any]], Generator]] = {
    "autoregressive": _autoregressive_from_json,
    "diffusion": _diffusion_from_json,
    "gan": _gan_from_json,
    "vae": _vae_from_json,
}

DEFAULTS: dict[str, Generator] = {
    "autoregressive": Autoregressive(),
    "diffusion": Diffusion(),
    "gan": GAN(),
    "vae": VAE(),
}  # what the command line's --model chooses from


def generator_to_json(generator: Generator) -> dict[str, Any]:
    """Name and hyper-parameters as JSON values."""
    return {"name": generator.name, "settings": asdict(generator)}  # type: ignore[call-overload]


def generator_from_json(data: Mapping[str, Any]) -> Generator:
    """The generator that `generator_to_json` described.

    Raises:
        ArtefactError: an unknown generator or setting.
    """
    name = data.get("name")
    if name not in GENERATORS:
        raise ArtefactError(f"generator {name!r} is unknown to this release; it has {', '.join(GENERATORS)}")
    try:
        return GENERATORS[name](data["settings"])
    except (KeyError, TypeError) as error:
        raise ArtefactError(f"generator {name!r}: settings do not fit this release: {error}") from error
