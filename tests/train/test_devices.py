"""What a fit learns does not depend on how many devices share its batches, but for rounding."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import numpy as np

from tests.train.fit_in_processes import fit


def test_eight_devices_learn_what_one_learns(tmp_path: Path) -> None:
    outs = {devices: tmp_path / f"{devices}.npz" for devices in (1, 8)}
    running = [
        subprocess.Popen([sys.executable, "-m", "tests.train.fits_on_devices", str(devices), str(out)])
        for devices, out in outs.items()
    ]
    assert [process.wait() for process in running] == [0, 0]
    with np.load(outs[1]) as first, np.load(outs[8]) as second:
        assert set(first) == set(second)
        assert len(first) == 6
        for name, vector in first.items():
            scale = np.sqrt(np.square(vector).mean())
            assert np.abs(second[name] - vector).max() < 1e-4 * scale, name


def test_two_processes_learn_what_one_learns(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    outs = [tmp_path / f"{process}.npy" for process in range(2)]
    running = [
        subprocess.Popen([sys.executable, "-m", "tests.train.fit_in_processes", str(i), str(port), str(out)])
        for i, out in enumerate(outs)
    ]
    assert [process.wait() for process in running] == [0, 0]
    one = fit()
    for out in outs:
        np.testing.assert_allclose(np.load(out), one, atol=1e-4 * np.sqrt(np.square(one).mean()))
