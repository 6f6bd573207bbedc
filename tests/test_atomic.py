from __future__ import annotations

import errno
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

import jaxsynth as js
from jaxsynth.atomic import replacing, write_bytes
from jaxsynth.errors import OutputError


@pytest.fixture
def little_disk() -> Iterator[None]:
    """No file may grow past 8 kB: writes fail the way they do on a full disk."""
    old_limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_signal = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, old_limit[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, old_limit)
    signal.signal(signal.SIGXFSZ, old_signal)


def test_a_file_appears_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    write_bytes(path, b"one")
    write_bytes(path, b"two")
    assert path.read_bytes() == b"two"
    assert [p.name for p in path.parent.iterdir()] == ["file"]


def test_the_result_has_ordinary_permissions(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"x")
    (tmp_path / "plain").write_bytes(b"x")
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(TypeError), replacing(path) as temporary:
        temporary.write_bytes(["half"])  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_no_space_is_said_and_cleaned_up(tmp_path: Path) -> None:
    with (
        pytest.raises(OutputError, match="No space left on device; nothing was left behind"),
        replacing(tmp_path / "f"),
    ):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert list(tmp_path.iterdir()) == []


def test_an_unwritable_directory_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match=r"cannot write '.*/file/model'"):
        write_bytes(tmp_path / "file" / "model", b"x")
    with pytest.raises(OutputError, match="it is a directory"):
        write_bytes(tmp_path, b"x")


@pytest.mark.usefixtures("little_disk")
@pytest.mark.parametrize("name", ["out.parquet", "out.arrow", "out.csv"])
def test_a_full_disk_while_sampling_leaves_nothing(tmp_path: Path, synth: js.Synthesizer, name: str) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        synth.write(tmp_path / name, 20_000, seed=0)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("little_disk")
def test_a_full_disk_while_saving_leaves_nothing(tmp_path: Path, synth: js.Synthesizer) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        synth.save(tmp_path / "model.jsynth")
    assert list(tmp_path.iterdir()) == []
