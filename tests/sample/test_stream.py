"""The same bytes for any batch size, start and number of devices."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import pyarrow as pa
import pytest

import jaxsynth as js
from jaxsynth.errors import ConditionError
from jaxsynth.models import GENERATORS
from jaxsynth.sample.blocks import BlockSampler

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


def test_every_generator_gives_the_same_bytes_on_eight_devices(tmp_path: Path) -> None:
    outs = {devices: tmp_path / f"{devices}.json" for devices in (1, 8)}
    running = [
        subprocess.Popen([sys.executable, "-m", "tests.sample.streams_on_devices", str(devices), str(out)])
        for devices, out in outs.items()
    ]
    assert [process.wait() for process in running] == [0, 0]
    one, eight = (json.loads(out.read_text()) for out in outs.values())
    assert (one["devices"], eight["devices"]) == (1, 8)
    assert set(one["digests"]) == set(GENERATORS)
    for name, found in one["digests"].items():
        assert eight["digests"][name] == found, name
        assert found["small batches"] == found["whole"], name
        assert found["started"] == found["end"], name


@dataclass(frozen=True, eq=False)
class _Counting(BlockSampler):
    """Notes how many blocks were asked for."""

    drawn: list[int] = field(default_factory=list)

    def _draw(self, params: Any, seed: Any, block: Any, condition: Any) -> Any:
        self.drawn.append(int(block))
        return super()._draw(params, seed, block, condition)


def test_blocks_are_being_drawn_while_the_host_encodes_and_never_many(synth: js.Synthesizer) -> None:
    counting = _Counting(synth._model, synth.artefact.codec.layout, synth.artefact.params)
    ahead = 2 * len(jax.local_devices())
    for taken, _ in enumerate(counting.blocks(1, 5, 9, None), start=1):
        assert len(counting.drawn) == min(taken + ahead, 9)
    assert counting.drawn == list(range(5, 14))


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
