"""Records survive a crash, are resumed, and the last of each key stands; the table shows goals and floors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from benchmarks.protocol import records
from benchmarks.quality_table import render


def record(model: str, seed: int = 0, *, kind: str = "quality", **scores: float) -> dict[str, Any]:
    return {
        "set": "adult", "model": model, "seed": seed, "kind": kind, "status": "ok", "scores": scores,
        "fit": {} if model in ("real", "independent") else
        {"fit_seconds": 10.0, "fit_compile_seconds": 4.0, "rows_a_second": 2e5, "peak_megabytes": 900.0,
         "versions": {"jax": "1"}, "notes": []},
        "rows": 100, "columns": 3, "time": "2026-01-02T03:04:05",
        "machine": {"cores": 2, "processor": "P", "load": 0.5},
    }  # fmt: skip


def failure(model: str) -> dict[str, Any]:
    return {**record(model), "status": "failed", "error": "long\nout of memory", "scores": {}}


def test_a_line_cut_short_is_left_out_and_failures_are_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "r.jsonl"
    assert records.read(path) == []
    records.append(path, record("vae", shape_error=1.0))
    records.append(path, failure("gan"))
    with path.open("a") as file:
        file.write('{"set": "adu')
    found = records.read(path)
    assert len(found) == 2
    assert records.finished(found) == {("adult", "vae", 0, "quality")}


def test_append_after_a_crash_starts_a_new_line(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_text('{"set": "adu')
    records.append(path, record("vae"))
    assert [r["model"] for r in records.read(path)] == ["vae"]


def test_a_later_record_replaces_an_earlier() -> None:
    assert [r["status"] for r in records.latest([failure("gan"), record("gan")])] == ["ok"]


def test_the_table_shows_goal_floor_mean_and_cost() -> None:
    found = [
        record("real", shape_error=0.5, utility_auc=0.927),
        record("vae", shape_error=1.0, utility_auc=0.9),
        record("vae", 1, shape_error=2.0, utility_auc=0.91),
        record("vae", kind="dcr", closer_share=0.52),
        failure("gan"),
    ]
    lines = render(found).splitlines()
    row = {line.split("|")[1].strip(): line for line in lines if line.startswith("|")}
    assert "≤ 0.58" in row["goal: best published"]
    assert "0.50" in row["real rows"]
    assert all(text in row["vae (2 seeds)"] for text in ("1.50 ± 0.71", "0.905", "0.520", "10.0 (4.0)", "200,000"))
    assert "failed" in row["gan (0 seeds)"]
    assert any(line.startswith("Failed: gan on adult") and "out of memory" in line for line in lines)


def test_one_figure_for_all_sets() -> None:
    found = [record("real", utility_auc=0.927), record("vae", utility_auc=0.9)]
    table = render(found, figure="utility_auc").splitlines()
    assert table[2] == "| adult | ≥ 0.916 | 0.927 | 0.900 |"


@pytest.mark.parametrize("status", ["ok", "failed"])
def test_a_key_is_set_model_seed_and_kind(status: str) -> None:
    assert records.key({**record("vae", 3), "status": status}) == ("adult", "vae", 3, "quality")
