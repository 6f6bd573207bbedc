from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

import jaxsynth as js
from jaxsynth import demo
from tests.conftest import TINY


def test_the_demonstration_writes_everything_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def quick(*arguments: object, **options: object) -> js.Synthesizer:
        return js.fit(arguments[0], TINY, schema=options["schema"], seed=0, progress=False)  # type: ignore[arg-type]

    monkeypatch.setattr(demo, "fit", quick)
    demo.run_demo(tmp_path / "demo", seed=0)
    said = capsys.readouterr().out
    for name in ("report.html", "synthetic.parquet", "model.jsynth", "audit.json", "quality.json"):
        assert (tmp_path / "demo" / name).stat().st_size > 0
        assert name in said
    assert pq.ParquetFile(tmp_path / "demo" / "synthetic.parquet").metadata.num_rows == 10_000


def test_the_split_is_seeded_and_covers_all_rows() -> None:
    table = js.datasets.load("support2")
    train, holdout = demo.split(table, 3)
    assert train.num_rows + holdout.num_rows == table.num_rows
    assert holdout.equals(demo.split(table, 3)[1])
    assert not holdout.equals(demo.split(table, 4)[1])
