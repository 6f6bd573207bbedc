"""The model file: one safetensors file with weights, codec and a JSON header. No code, no pickle.

Layout: tensors `params/...` (float32 weights) and `codec/...` (fitted tables); metadata key `jaxsynth` holds
the JSON header: format version, generator, schema, codec, versions, history, and a SHA-256 over all of it
and every tensor, so that a changed byte is noticed. The digest is no signature: it does not say who wrote it.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors

from jaxsynth.atomic import write_bytes
from jaxsynth.codec import Codec
from jaxsynth.errors import ArtefactError, JaxsynthError
from jaxsynth.models import Generator, Params, generator_from_json, generator_to_json
from jaxsynth.privacy import Certificate
from jaxsynth.schema import Schema
from jaxsynth.train.course import History

FORMAT_VERSION = 1
_LIBRARIES = ("jaxsynth", "jax", "flax", "optax", "numpy", "pyarrow")

Tensors = dict[str, np.ndarray]


@dataclass(frozen=True, kw_only=True, eq=False)
class Artefact:
    """Everything a trained generator is.

    Attributes:
        generator: the hyper-parameters.
        codec: the fitted codec, with its schema. Private knowledge: it holds frequencies and quantiles.
        params: nested dicts of float32 arrays.
        history: losses of the training run.
        rows: how many rows it was fitted on.
        seed: of the training run.
        versions: library versions at training time.
        certificate: of differential privacy; None for training without it.
    """

    generator: Generator
    codec: Codec
    params: Params
    history: History
    rows: int
    seed: int
    versions: dict[str, str]
    certificate: Certificate | None = None


def library_versions() -> dict[str, str]:
    """Versions of what a result depends on."""
    return {name: version(name) for name in _LIBRARIES}


def save(artefact: Artefact, path: Path) -> str:
    """Write the model file atomically; returns its digest.

    Raises:
        OutputError: the file cannot be written.
    """
    header, tensors = _described(artefact)
    found = _digest(header, tensors)
    text = json.dumps({**header, "digest": found}, ensure_ascii=False)
    write_bytes(path, to_safetensors(tensors, metadata={"jaxsynth": text}))
    return found


def digest(artefact: Artefact) -> str:
    """SHA-256 of all of the generator: what `save` returns."""
    return _digest(*_described(artefact))


def _described(artefact: Artefact) -> tuple[dict[str, Any], Tensors]:
    """The header, without the digest, and the tensors of the model file."""
    described, tensors = artefact.codec.state()
    tensors = {k: np.ascontiguousarray(v) for k, v in {**tensors, **_flatten(artefact.params)}.items()}
    header = {
        "format": FORMAT_VERSION,
        "generator": generator_to_json(artefact.generator),
        "schema": artefact.codec.schema.to_json(),
        "codec": described,
        "history": asdict(artefact.history),
        "rows": artefact.rows,
        "seed": artefact.seed,
        "versions": artefact.versions,
    }
    if artefact.certificate is not None:
        header["certificate"] = artefact.certificate.to_json()
    return header, tensors


def load(path: Path) -> Artefact:
    """Read a model file. Runs no code from it.

    Raises:
        ArtefactError: missing, truncated, altered, foreign, or written by a newer release.
    """
    header, tensors = _read(path)
    _check_header(header, tensors, path)
    try:
        return _build(header, tensors, path)
    except JaxsynthError:
        raise
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise ArtefactError(f"{str(path)!r}: inconsistent model file ({error}); save the model again") from error


def _read(path: Path) -> tuple[dict[str, Any], Tensors]:
    if not path.is_file():
        raise ArtefactError(f"no model file {str(path)!r}; check the path")
    try:
        with safe_open(path, framework="numpy") as file:
            text = (file.metadata() or {}).get("jaxsynth")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise ArtefactError(
            f"{str(path)!r} is not a readable model file ({error}); it may be truncated, copy or save it again"
        ) from error
    if text is None:
        raise ArtefactError(f"{str(path)!r} holds weights of another program; give a file `jaxsynth fit` wrote")
    try:
        header = json.loads(text)
    except ValueError as error:
        raise ArtefactError(f"{str(path)!r}: damaged header ({error}); copy or save it again") from error
    return header, tensors


def _check_header(header: dict[str, Any], tensors: Tensors, path: Path) -> None:
    found = header.get("format")
    if not isinstance(found, int) or found > FORMAT_VERSION:
        raise ArtefactError(
            f"{str(path)!r} has format {found!r}, this release reads {FORMAT_VERSION}; upgrade jaxsynth to read it"
        )
    digest = header.pop("digest", None)
    if digest != _digest(header, tensors):
        raise ArtefactError(f"{str(path)!r} was altered after saving: its digest does not match; get a clean copy")


def _build(header: dict[str, Any], tensors: Tensors, path: Path) -> Artefact:
    schema = Schema.from_json(header["schema"])
    codec = Codec.from_state(schema, header["codec"], tensors)
    generator = generator_from_json(header["generator"])
    params = _unflatten({k: v for k, v in tensors.items() if k.startswith("params/")})
    params = _checked_params(generator, codec, params, path)
    history: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in header["history"].items()}
    return Artefact(
        generator=generator,
        codec=codec,
        params=params,
        history=History(**history),
        rows=header["rows"],
        seed=header["seed"],
        versions=header["versions"],
        certificate=Certificate.from_json(header["certificate"]) if "certificate" in header else None,
    )


def _checked_params(generator: Generator, codec: Codec, params: Params, path: Path) -> Params:
    expected = jax.eval_shape(generator.build(codec.layout).init, jax.random.key(0))
    shapes = {k: v.shape for k, v in _flatten(expected).items()}
    found = {k: v.shape for k, v in _flatten(params).items()}
    if shapes != found:
        odd = sorted(k for k in shapes.keys() | found.keys() if shapes.get(k) != found.get(k))[0]
        raise ArtefactError(
            f"{str(path)!r}: weight {odd!r} has shape {found.get(odd)}, the generator needs {shapes.get(odd)}; "
            "save the model again with this release"
        )
    # A part without weights (an embedding of narrow columns only) leaves no tensor in the file.
    return {part: params.get(part, {}) for part in expected}


def _flatten(params: Params, prefix: str = "params") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for name, value in params.items():
        key = f"{prefix}/{name}"
        if isinstance(value, dict):
            out.update(_flatten(value, key))
        else:
            out[key] = value if isinstance(value, jax.ShapeDtypeStruct) else np.asarray(value)
    return out


def _unflatten(tensors: Tensors) -> Params:
    out: Params = {}
    for key, value in tensors.items():
        *path, name = key.split("/")[1:]
        node = out
        for part in path:
            node = node.setdefault(part, {})
        node[name] = value
    return out


def _digest(header: dict[str, Any], tensors: Tensors) -> str:
    total = hashlib.sha256(json.dumps(header, sort_keys=True, ensure_ascii=False).encode())
    for name in sorted(tensors):
        array = tensors[name]
        total.update(f"\n{name} {array.dtype.str} {array.shape} ".encode())
        total.update(np.ascontiguousarray(array).tobytes())
    return total.hexdigest()
