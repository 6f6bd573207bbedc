"""The same bytes for any batch size, start and number of devices."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc as pa_ipc
import pytest

import jaxsynth as js
from jaxsynth.errors import ConditionError

ROWS = 10_000


def test_a_stream_is_a_record_batch_reader(synth: js.Synthesizer) -> None:
    reader = synth.stream(ROWS, seed=1, batch_rows=3000)
    assert isinstance(reader, pa.RecordBatchReader)
    assert [b.num_rows for b in reader] == [3000, 3000, 3000, 1000]


def test_output_has_the_schema_of_the_training_table(synth: js.Synthesizer, table: pa.Table) -> None:
    out = synth.sample(100, seed=0)
    assert out.schema.names == table.schema.names
    assert out.schema.types == table.schema.types
    synth.schema.check(out)


@pytest.mark.parametrize("batch_rows", [1, 999, 4096, 8192, 100_000])
def test_batch_size_changes_no_byte(synth: js.Synthesizer, batch_rows: int) -> None:
    rows = ROWS if batch_rows > 1 else 50
    whole = synth.sample(ROWS, seed=1).slice(0, rows)
    assert synth.stream(rows, seed=1, batch_rows=batch_rows).read_all().equals(whole)


@pytest.mark.parametrize("start", [1, 4095, 4096, 9000])
def test_a_stream_can_start_anywhere(synth: js.Synthesizer, start: int) -> None:
    whole = synth.sample(ROWS, seed=1)
    assert synth.sample(ROWS - start, seed=1, start=start).equals(whole.slice(start))


def test_seeds_differ_and_repeat(synth: js.Synthesizer) -> None:
    assert synth.sample(50, seed=1).equals(synth.sample(50, seed=1))
    assert not synth.sample(50, seed=1).equals(synth.sample(50, seed=2))


def test_no_rows_are_an_empty_table(synth: js.Synthesizer) -> None:
    assert synth.sample(0, seed=1).num_rows == 0
    assert synth.sample(0, seed=1).schema.names == synth.sample(1, seed=1).schema.names


def test_a_reader_can_be_abandoned(synth: js.Synthesizer) -> None:
    reader = synth.stream(10**12, seed=1)
    assert reader.read_next_batch().num_rows == 65_536
    del reader


_HASH = """
import hashlib, sys, jax, jaxsynth as js, pyarrow as pa
sink = pa.BufferOutputStream()
table = js.load(sys.argv[1]).sample(30_000, seed=7)
with pa.ipc.new_stream(sink, table.schema) as writer:
    writer.write_table(table.combine_chunks(), max_chunksize=1000)
print(len(jax.local_devices()), hashlib.sha256(sink.getvalue()).hexdigest())
"""


def test_eight_devices_give_the_bytes_of_one(synth: js.Synthesizer, tmp_path: Path) -> None:
    synth.save(tmp_path / "model.jsynth")
    found = {}
    for devices in (1, 8):
        flags = f"--xla_force_host_platform_device_count={devices}"
        run = subprocess.run(
            [sys.executable, "-c", _HASH, str(tmp_path / "model.jsynth")],
            env={**os.environ, "XLA_FLAGS": flags}, capture_output=True, text=True, check=True,
        )  # fmt: skip
        count, digest = run.stdout.split()
        found[int(count)] = digest
    assert set(found) == {1, 8}
    assert found[1] == found[8]
    sink = pa.BufferOutputStream()
    here = synth.sample(30_000, seed=7)
    with pa_ipc.new_stream(sink, here.schema) as writer:
        writer.write_table(here.combine_chunks(), max_chunksize=1000)
    assert hashlib.sha256(sink.getvalue()).hexdigest() == found[1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"rows": -1, "seed": 0}, "rows=-1 is out of range"),
        ({"rows": 1.5, "seed": 0}, "rows=1.5 is not a whole number"),
        ({"rows": 1, "seed": 2**32}, "seed=4294967296 is out of range"),
        ({"rows": 1, "seed": 0, "start": -5}, "start=-5 is out of range"),
        ({"rows": 1, "seed": 0, "batch_rows": 0}, "batch_rows=0 is out of range"),
    ],
)
def test_numbers_out_of_range_are_refused(synth: js.Synthesizer, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ConditionError, match=message):
        synth.stream(**arguments)
