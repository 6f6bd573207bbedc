"""One writer for each part of a job: a lock that names its owner, and that a killed owner does not keep.

In a local directory the kernel holds the lock (`flock`) and lets go of it when the process ends, however that
happens. Elsewhere the lock is an object with the owner's name in it. Arrow offers no exclusive creation in such
stores, so two writers that start within the same moment may both pass: they then write equal bytes.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import math
import os
import re
import shlex
import socket
import sys
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jaxsynth.errors import OutputError
from jaxsynth.sample.places import LocalPlace, Place, write

Part = tuple[int, int]  # (r, n): shards r, r + n, r + 2n, ...

_NAME = re.compile(r"_lock(?:-(\d+)-of-(\d+))?")


def locked(place: Place, part: Part) -> AbstractContextManager[None]:
    """Hold `part` of the job in `place`.

    Raises:
        OutputError: another process holds a part that shares shards with it; names that process and the remedy.
    """
    return _flocked(place, part) if isinstance(place, LocalPlace) else _claimed(place, part)


@contextlib.contextmanager
def _flocked(place: LocalPlace, part: Part) -> Iterator[None]:
    path = place.root / _name(part)
    with _told(place):
        handle = _grab(path)
    try:
        with _told(place):
            os.truncate(handle, 0)
            os.write(handle, _owner())
            for other in _overlapping(place, part):
                _check_free(place.root / other)
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _grab(path: Path) -> int:
    """A locked handle of the file at `path`; again where its last owner has just removed it."""
    while True:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), os.stat(path)):
                return handle
        except BlockingIOError:
            raise _in_use(str(path), os.pread(handle, 4096, 0)) from None
        except FileNotFoundError:
            pass
        os.close(handle)


def _check_free(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError), path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _in_use(str(path), file.read()) from None


@contextlib.contextmanager
def _claimed(place: Place, part: Part) -> Iterator[None]:
    name = _name(part)
    for other in (name, *_overlapping(place, part)):
        owner = place.read(other)
        if owner is not None and not _is_dead(owner):
            raise _in_use(f"{place.name}/{other}", owner, f", or delete {other} there if it is gone")
    mine = _owner()
    write(place, name, mine)
    found = place.read(name)
    if found != mine:
        raise _in_use(f"{place.name}/{name}", found or b"")
    try:
        yield
    finally:
        place.delete(name)


def _name(part: Part) -> str:
    return "_lock" if part == (0, 1) else f"_lock-{part[0]}-of-{part[1]}"


def _overlapping(place: Place, part: Part) -> Iterator[str]:
    """Names of the other locks there whose parts share shards with `part`."""
    for name in place.names():
        match = _NAME.fullmatch(name)
        if match and name != _name(part):
            r, n = int(match[1] or 0), int(match[2] or 1)
            if (r - part[0]) % math.gcd(n, part[1]) == 0:
                yield name


def _owner() -> bytes:
    """Who we are; no two writers say the same."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    command = shlex.join(sys.argv)[:300]
    owner = {"host": socket.gethostname(), "pid": os.getpid(), "since": now, "command": command}
    return json.dumps({**owner, "token": uuid.uuid4().hex}).encode()


def _read(owner: bytes) -> dict[str, Any]:
    """What an owner said; nothing if it had no time to."""
    try:
        found = json.loads(owner)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _is_dead(owner: bytes) -> bool:
    """Whether the owner was a process of this machine that has ended."""
    told = _read(owner)
    if told.get("host") != socket.gethostname() or not isinstance(told.get("pid"), int):
        return False
    try:
        os.kill(told["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it runs, as somebody else
        return False
    return False


def _in_use(lock: str, owner: bytes, more: str = "") -> OutputError:
    told = _read(owner)
    who = f"process {told.get('pid')} on {told.get('host')} since {told.get('since')} ({told.get('command')})"
    return OutputError(
        f"{lock} is held by {who if told else 'an unknown process'}; wait until it ends or stop it{more}; "
        "processes that share a job each take a part of their own"
    )


@contextlib.contextmanager
def _told(place: Place) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(f"cannot write {place.name!r}: {error.strerror}; choose a writable directory") from error
