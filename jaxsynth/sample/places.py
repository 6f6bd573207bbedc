"""Places to write to: what a job asks of one, and the local directory; `remote.py` has the others.

Files appear whole. In a local directory they are made beside their target, flushed, renamed, and the directory
flushed; elsewhere they are made in the system's temporary directory and uploaded.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from jaxsynth.atomic import replacing
from jaxsynth.errors import JaxsynthError, OutputError


class Place(Protocol):
    """A directory; paths are relative to it, with forward slashes. Raises OutputError where it fails."""

    @property
    def name(self) -> str:
        """For messages."""

    def read(self, path: str) -> bytes | None:
        """The whole file; None if there is none."""

    def digest(self, path: str) -> tuple[int, str] | None:
        """Length in bytes and SHA-256 of a file; None if there is none."""

    def names(self) -> list[str]:
        """Files and directories directly inside, sorted; none if the directory does not exist."""

    def publishing(self, path: str) -> AbstractContextManager[Path]:
        """Yields a local file to fill, which becomes `path` on success and is removed on failure."""

    def delete(self, path: str) -> None:
        """Remove a file, if there is one."""

    def sweep(self, mine: Callable[[str], bool]) -> None:
        """Remove temporary files of killed processes whose names `mine` accepts."""


def write(place: Place, path: str, data: bytes) -> None:
    """Put `data` at `path`, whole or not at all."""
    with place.publishing(path) as temporary:
        temporary.write_bytes(data)


@dataclass(frozen=True)
class LocalPlace:
    """A directory of this machine, or mounted on it."""

    root: Path

    @property
    def name(self) -> str:
        return str(self.root)

    def read(self, path: str) -> bytes | None:
        with told(self.name, "read"):
            file = self.root / path
            return file.read_bytes() if file.exists() else None

    def digest(self, path: str) -> tuple[int, str] | None:
        with told(self.name, "read"):
            file = self.root / path
            return digest_of(file) if file.is_file() else None

    def names(self) -> list[str]:
        with told(self.name, "read"):
            return sorted(os.listdir(self.root)) if self.root.exists() else []

    def publishing(self, path: str) -> AbstractContextManager[Path]:
        return replacing(self.root / path)

    def delete(self, path: str) -> None:
        with told(self.name, "write to"):
            (self.root / path).unlink(missing_ok=True)

    def sweep(self, mine: Callable[[str], bool]) -> None:
        with told(self.name, "write to"):
            for file in self.root.rglob(".*.tmp"):
                if mine(file.name):
                    file.unlink(missing_ok=True)


def digest_of(path: Path) -> tuple[int, str]:
    """Length in bytes and SHA-256 of a local file."""
    with path.open("rb") as file:
        return hashed(file)


def hashed(stream: Any) -> tuple[int, str]:
    """Length in bytes and SHA-256 of what a stream holds."""
    sha, size = hashlib.sha256(), 0
    while data := stream.read(2**20):
        sha.update(data)
        size += len(data)
    return size, sha.hexdigest()


@contextlib.contextmanager
def told(name: str, doing: str, kind: type[Exception] = Exception) -> Iterator[None]:
    """What a filesystem raises, as an OutputError; any error, for those of fsspec raise many libraries' own."""
    try:
        yield
    except JaxsynthError:
        raise
    except kind as error:
        why = " ".join((getattr(error, "strerror", None) or str(error) or type(error).__name__).split())
        raise OutputError(
            f"cannot {doing} {name!r}: {why[:300]}; check the address, the permissions and the space, "
            "and run the same command again"
        ) from error
