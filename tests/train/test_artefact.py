from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

import jaxsynth as js
from jaxsynth.errors import ArtefactError
from jaxsynth.train import artefact as model_file


@pytest.fixture
def path(tmp_path: Path, synth: js.Synthesizer) -> Path:
    synth.save(tmp_path / "model.jsynth")
    return tmp_path / "model.jsynth"


def read(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["jaxsynth"]), load_file(path)


def write(path: Path, header: dict[str, Any], tensors: dict[str, np.ndarray], *, sign: bool) -> None:
    header = {k: v for k, v in header.items() if k != "digest"} if sign else header
    if sign:
        header["digest"] = model_file._digest(header, tensors)
    save_file(tensors, path, metadata={"jaxsynth": json.dumps(header)})


def test_a_loaded_model_gives_the_same_bytes(path: Path, synth: js.Synthesizer) -> None:
    again = js.load(path)
    assert again.generator == synth.generator
    assert again.schema == synth.schema
    assert again.history == synth.history
    assert again.sample(300, seed=9).equals(synth.sample(300, seed=9))


def test_saving_twice_gives_the_same_digest(path: Path) -> None:
    assert js.load(path).save(path) == js.load(path).save(path)


def test_the_file_is_safetensors_and_json_and_no_pickle(path: Path) -> None:
    header, tensors = read(path)
    assert header["format"] == 1
    assert {n.split("/")[0] for n in tensors} == {"codec", "params"}
    assert all(a.dtype in {np.dtype(t) for t in ("float32", "float64", "int64")} for a in tensors.values())


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_truncated_file_is_refused(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ArtefactError, match="is not a readable model file"):
        js.load(path)


def test_an_altered_weight_is_refused(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-10] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ArtefactError, match="was altered after saving"):
        js.load(path)


def test_an_altered_header_is_refused(path: Path) -> None:
    header, tensors = read(path)
    write(path, {**header, "rows": 1}, tensors, sign=False)
    with pytest.raises(ArtefactError, match="was altered after saving"):
        js.load(path)


def test_a_foreign_file_is_refused(path: Path) -> None:
    save_file({"w": np.zeros(3, np.float32)}, path)
    with pytest.raises(ArtefactError, match="weights of another program"):
        js.load(path)
    path.write_bytes(b"\x80\x04\x95 a pickle")
    with pytest.raises(ArtefactError, match="is not a readable model file"):
        js.load(path)


def test_a_newer_format_is_refused(path: Path) -> None:
    header, tensors = read(path)
    write(path, {**header, "format": 2}, tensors, sign=True)
    with pytest.raises(ArtefactError, match="has format 2, this release reads 1; upgrade"):
        js.load(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match=r"no model file '.*nowhere.jsynth'"):
        js.load(tmp_path / "nowhere.jsynth")


def test_consistent_nonsense_is_refused(path: Path) -> None:
    header, tensors = read(path)
    unknown = {**header, "generator": {"name": "oracle", "settings": {}}}
    write(path, unknown, tensors, sign=True)
    with pytest.raises(ArtefactError, match="generator 'oracle' is unknown"):
        js.load(path)
    write(path, header, {k: v[:1] if k.endswith("kernel") else v for k, v in tensors.items()}, sign=True)
    with pytest.raises(ArtefactError, match=r"weight '.*' has shape"):
        js.load(path)
    write(path, {k: v for k, v in header.items() if k != "schema"}, tensors, sign=True)
    with pytest.raises(ArtefactError, match="inconsistent model file"):
        js.load(path)
