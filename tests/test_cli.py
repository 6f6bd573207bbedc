"""The command line as a user meets it: in a process of its own, by its exit status and its two streams."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
import pytest

import jaxsynth as js
from jaxsynth import cli, cli_messages
from jaxsynth.audit import AuditReport
from tests.conftest import TINY, make_table


def run(*arguments: object, monkeypatch: pytest.MonkeyPatch) -> int:
    """Exit status of the command line, run in this process: compiled programs and imports are shared."""
    monkeypatch.setattr(sys, "argv", ["jaxsynth", *map(str, arguments)])
    monkeypatch.setattr("warnings.showwarning", cli_messages.show_warning)
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert isinstance(stop.value.code, int)
    return stop.value.code


@pytest.fixture
def files(tmp_path: Path, synth: js.Synthesizer) -> Path:
    pq.write_table(make_table(1500, 1), tmp_path / "train.parquet")
    pq.write_table(make_table(700, 2), tmp_path / "holdout.parquet")
    synth.save(tmp_path / "model.jsynth")
    synth.write(tmp_path / "synthetic.parquet", 1500, seed=1)
    return tmp_path


def _audit(files: Path) -> tuple[object, ...]:
    """An audit of the synthetic table of `files`."""
    real = ("--train", files / "train.parquet", "--holdout", files / "holdout.parquet")
    return ("audit", files / "synthetic.parquet", *real)


def test_schema_fit_and_sample(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jaxsynth.models.DEFAULTS", {"autoregressive": TINY})
    assert run("schema", files / "train.parquet", "-o", files / "s.json", monkeypatch=monkeypatch) == 0
    fit = ("fit", files / "train.parquet", "--schema", files / "s.json", "-o", files / "m.jsynth", "--seed", 4)
    assert run(*fit, monkeypatch=monkeypatch) == 0
    out = files / "deep" / "rows.csv"
    sample = (
        "sample",
        files / "m.jsynth",
        "-n",
        120,
        "-o",
        out,
        "--where",
        "age >= 60",
        "--where",
        "sex = female",
    )
    assert run(*sample, monkeypatch=monkeypatch) == 0
    rows = pa_csv.read_csv(out)
    assert rows.num_rows == 120
    assert min(rows["age"].to_pylist()) >= 60
    assert set(rows["sex"].to_pylist()) == {"female"}
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "wrote 120 rows" in streams.err


def test_a_table_that_fills_memory_is_fitted_out_of_core(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jaxsynth.models.DEFAULTS", {"autoregressive": TINY})
    monkeypatch.setattr("jaxsynth.streams._memory", lambda: 10_000)
    data = files / "train.parquet"
    assert run("fit", data, "-o", files / "a.jsynth", "--quiet", monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().err
    assert f"{data} would fill more than 25% of the memory: fitting out of core\n" in said
    assert run("fit", data, "-o", files / "b.jsynth", "--quiet", "--in-memory", monkeypatch=monkeypatch) == 0
    assert "out of core" not in capsys.readouterr().err
    monkeypatch.undo()
    monkeypatch.setattr("jaxsynth.models.DEFAULTS", {"autoregressive": TINY})
    cached = ("--out-of-core", "--cache", files)
    assert run("fit", data, "-o", files / "c.jsynth", "--quiet", *cached, monkeypatch=monkeypatch) == 0
    same = [js.load(files / f"{name}.jsynth").history.losses for name in "abc"]
    assert same[0] == same[2] != same[1]


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("train.csv", [], "is no Parquet or Arrow file or directory of them"),
        ("none.parquet", [], "no file"),
        ("train.parquet", ["--epsilon", 1], "private training reads the table into memory for now"),
        ("train.parquet", ["--cache", "/nowhere"], "cannot keep the rows' codes in '/nowhere'"),
    ],
)
def test_fits_out_of_core_that_cannot_be(
    files: Path,
    name: str,
    options: list[object],
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    pa_csv.write_csv(make_table(50, 1), files / "train.csv")
    fit = ("fit", files / name, "-o", files / "m.jsynth", "--out-of-core", "--quiet", *options)
    assert run(*fit, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert told in said[-1]


def test_audit_and_evaluate_write_json_and_html(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tables = (
        files / "synthetic.parquet",
        "--train",
        files / "train.parquet",
        "--holdout",
        files / "holdout.parquet",
    )
    audit = ("audit", *tables, "--quiet", "-o", files / "a.json", "--html", files / "a.html")
    assert run(*audit, monkeypatch=monkeypatch) == 0
    streams = capsys.readouterr()
    assert "exact_copies" in streams.out.lower().replace(" ", "_")
    assert streams.err == ""
    evaluate = ("evaluate", *tables, "--target", "smoker", "-o", files / "q.json", "--html", files / "q.html")
    assert run(*evaluate, monkeypatch=monkeypatch) == 0
    assert json.loads((files / "a.json").read_text())
    assert json.loads((files / "q.json").read_text())
    assert "<svg" in (files / "a.html").read_text()
    assert "<svg" in (files / "q.html").read_text()


def test_an_audit_is_what_its_options_say(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("--audits", "copies, membership", "--subgroup", "sex", "--subgroup", "smoker", "--planted", 0.01)
    assert run(*_audit(files), *asked, "--seed", 4, "-o", files / "a.json", monkeypatch=monkeypatch) == 0
    found = AuditReport.from_json(json.loads((files / "a.json").read_text()))
    assert found == js.audit(
        files / "synthetic.parquet",
        train=files / "train.parquet",
        holdout=files / "holdout.parquet",
        audits=["copies", "membership"],
        subgroups=["sex", "smoker"],
        planted=0.01,
        seed=4,
    )
    assert "15 planted copies (1.00%): found by exact_copies" in capsys.readouterr().out


def test_nothing_of_an_audit_is_released_from_the_command_line(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = files / "for_all.json"
    written = ("--audits", "copies", "-o", files / "a.json", "--releasable", out)
    assert run(*_audit(files), *written, monkeypatch=monkeypatch) == 2
    streams = capsys.readouterr()
    assert "without a charge to a privacy budget" in streams.err
    assert streams.err.startswith(f"error: --releasable {out}")
    assert streams.err.count("\n") == 1
    assert streams.out == ""
    assert not out.exists()
    assert not (files / "a.json").exists()


def test_gates_are_named_one_by_one_or_by_their_group(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = make_table(1500, 1).take(np.repeat(np.arange(750), 2))
    pq.write_table(copied, files / "synthetic.parquet")
    known = ("--audits", "copies,membership", "--fail-on")
    for names, failed in (
        ("membership", "membership_density_auc"),
        ("membership_density_auc", "membership_density_auc"),
        ("distance", "dcr"),
        ("copies,distance", "exact_copies"),
    ):
        assert run(*_audit(files), *known, names, monkeypatch=monkeypatch) == 1
        streams = capsys.readouterr()
        assert f"gate not held: {failed}" in streams.err
        assert "Exact copies" in streams.out
    for name in ("linkability", "inference", "singling_out"):
        assert run(*_audit(files), *known, name, monkeypatch=monkeypatch) == 2
        assert f"--fail-on {name!r} is no audit that was run; choose from exact_copies" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--audits", "luck"], "audits: 'luck' is no audit; choose from copies, membership"),
        (["--subgroup", "race"], "subgroup: 'race' is not a modelled column"),
        (["--subgroup", "cost"], "different values, a breakdown takes at most 20"),
        (["--planted", "2"], "planted is 2.0; give the share"),
        (["--planted", "some"], "valid number"),
        (["--seed", "-1"], "seed is -1"),
    ],
)
def test_an_audit_that_cannot_be_is_one_line_and_status_2(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert run(*_audit(files), *arguments, "-o", files / "a.json", monkeypatch=monkeypatch) == 2
    streams = capsys.readouterr()
    assert message in streams.err
    assert streams.err.startswith("error: ")
    assert streams.err.count("\n") == 1
    assert streams.out == ""
    assert not (files / "a.json").exists()


def test_an_interrupted_audit_is_status_130_and_writes_nothing(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.modules["jaxsynth.audit.run"], "share_closer", stop)
    written = ("-o", files / "a.json", "--html", files / "a.html")
    assert run(*_audit(files), *written, monkeypatch=monkeypatch) == 130
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "Traceback" not in streams.err
    assert not (files / "a.json").exists()
    assert not (files / "a.html").exists()


def test_a_gate_that_does_not_hold_is_status_1(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copied = pa.concat_tables([make_table(1500, 1).slice(0, 300), make_table(1200, 3)])
    pq.write_table(copied, files / "leaky.parquet")
    real = ("--train", files / "train.parquet", "--holdout", files / "holdout.parquet")
    tables = (files / "leaky.parquet", *real, "--audits", "copies")
    assert run("audit", *tables, monkeypatch=monkeypatch) == 0
    assert run("audit", *tables, "--fail-on", "exact_copies", monkeypatch=monkeypatch) == 1
    assert "gate not held: exact_copies" in capsys.readouterr().err
    assert run("audit", *tables, "--fail-on", "copies", monkeypatch=monkeypatch) == 1
    assert run("audit", *tables, "--fail-on", "luck", monkeypatch=monkeypatch) == 2
    assert "--fail-on 'luck' is no audit" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["fit", "nowhere.parquet"], "table: no file 'nowhere.parquet'; check the path"),
        (["fit", "{}/empty.csv"], "cannot read"),
        (["fit", "{}/header.csv"], "no rows; give at least one row to learn from"),
        (["fit", "{}/nan.parquet"], "column 'x' holds 1 NaN cells, the first in row 1"),
        (["fit", "{}/train.parquet", "--model", "oracle"], "--model 'oracle' is unknown"),
        (["fit", "{}/train.parquet", "--schema", "{}/other.json"], "column"),
        (["schema", "{}/train.parquet", "-o", "{}/train.parquet/s.json"], "cannot write"),
        (["sample", "{}/model.jsynth", "-n", "5", "-o", "{}/x.doc"], "cannot tell the format"),
        (
            ["sample", "{}/model.jsynth", "-n", "5", "-o", "{}/x.csv", "--where", "sex = alien"],
            "'alien' is not one of",
        ),
        (["sample", "{}/train.parquet", "-n", "5", "-o", "{}/x.csv"], "is not a readable model file"),
        (["sample", "{}/model.jsynth", "-n", "five", "-o", "{}/x.csv"], "valid integer"),
        (["sample", "{}/model.jsynth", "-n", "-5", "-o", "{}/x.csv"], "rows=-5 is out of range"),
        (
            ["sample", "{}/model.jsynth", "-n", "5", "-o", "{}/x", "--shard-rows", "0"],
            "shard_rows=0 is out of range",
        ),
        (["sample", "{}/model.jsynth", "-n", "5", "-o", "{}/x", "--workers", "0"], "workers=0 is out of range"),
        (["sample", "{}/model.jsynth", "-n", "5", "-o", "{}/x", "--part", "2"], "--part '2': write rank/parts"),
        (["sample", "{}/model.jsynth", "-n", "5", "-o", "{}/x", "--part", "8/8"], "part=8 is out of range"),
        (["sample", "{}/model.jsynth", "-n", "5", "-o", "{}/x", "--partition", "cost"], "too many values"),
        (["sample", "{}/model.jsynth", "-n", "5", "-o", "{}/x.csv", "--partition", "sex"], "without shards"),
        (["sample", "{}/model.jsynth", "-n", "5", "-o", "{}"], "which is of no job; choose an empty directory"),
        (
            ["sample", "{}/model.jsynth", "-n", "5", "-o", "{}/model.jsynth/x"],
            "Not a directory; choose a writable",
        ),
        (["sample", "{}/model.jsynth", "-n", "5", "-o", "nothing://x/y"], "Protocol not known: nothing"),
        (["audit", "{}/model.jsynth", "--train", "a", "--holdout", "b"], "cannot tell the format"),
        (["fly"], "No such command"),
    ],
)
def test_a_users_mistake_is_one_line_and_status_2(
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    (files / "empty.csv").write_text("")
    (files / "header.csv").write_text("a,b\n")
    pq.write_table(pa.table({"x": [1.0, float("nan"), 2.0]}), files / "nan.parquet")
    js.Schema.infer(pa.table({"q": [1, 2]})).save(files / "other.json")
    before = sorted(p.name for p in files.rglob("*"))
    status = run(*[a.replace("{}", str(files)) for a in arguments], monkeypatch=monkeypatch)
    streams = capsys.readouterr()
    assert status == 2
    assert message in streams.err
    assert streams.err.count("\n") == 1
    assert streams.err.startswith("error: ")
    assert streams.out == ""
    assert sorted(p.name for p in files.rglob("*")) == before


@pytest.mark.filterwarnings("default")
def test_a_directory_is_begun_gone_on_with_and_checked(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = files / "out"
    job = ("sample", files / "model.jsynth", "-n", 5000, "-o", out, "--shard-rows", 2000, "--partition", "sex")
    assert run(*job, "--part", "1/2", "--workers", 1, monkeypatch=monkeypatch) == 0
    assert "wrote 2,000 rows to" in (told := capsys.readouterr().err)
    assert "other parts are missing" in told
    assert run(*job, monkeypatch=monkeypatch) == 0
    assert "wrote 5,000 rows" in (told := capsys.readouterr().err)
    assert "1 of 3 shards were there" in told
    lines = [json.loads(line) for line in (out / "_manifest.jsonl").read_text().splitlines()]
    assert [line["path"] for line in lines[:2]] == ["sex=female/part-00000.parquet", "sex=male/part-00000.parquet"]
    (out / lines[0]["path"]).unlink()
    assert run(*job, monkeypatch=monkeypatch) == 0
    assert f"note: {out}: {lines[0]['path']} is missing; shard 0 was built anew" in capsys.readouterr().err
    assert run(*job, "--seed", 9, monkeypatch=monkeypatch) == 2
    assert "holds another job: seed is 0 there and 9 here" in capsys.readouterr().err


def test_nan_can_be_read_as_null(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pq.write_table(pa.table({"x": [1.0, float("nan"), 2.0]}), files / "nan.parquet")
    assert (
        run("schema", files / "nan.parquet", "--nan-as-null", "-o", files / "s.json", monkeypatch=monkeypatch) == 0
    )
    assert js.Schema.load(files / "s.json")["x"].nullable


def test_the_installed_command_starts() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "jaxsynth", "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    assert "evaluate" in done.stdout


def test_impute(files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = js.Autoregressive(embedding=4, hidden=8, epochs=1, min_steps=20, batch=64)
    js.fit(make_table(300), tiny, seed=0, progress=False).save(files / "ar.jsynth")
    pq.write_table(make_table(300), files / "gaps.parquet")
    out = files / "full.parquet"
    assert run("impute", files / "ar.jsynth", files / "gaps.parquet", "-o", out, monkeypatch=monkeypatch) == 0
    assert sum(c.null_count for c in pq.ParquetFile(out).read().columns) == 0
    assert "filled" in capsys.readouterr().err
    assert (
        run("impute", files / "model.jsynth", files / "synthetic.parquet", "-o", out, monkeypatch=monkeypatch) == 2
    )
    assert "Autoregressive" in capsys.readouterr().err


def test_a_private_fit_shows_its_plan_and_has_a_certificate(
    files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("jaxsynth.models.DEFAULTS", {"vae": js.VAE(latent=2, hidden=(8,))})
    schema = ("schema", files / "train.parquet", "--declare-public", "-o", files / "public.json")
    assert run(*schema, monkeypatch=monkeypatch) == 0
    fit = ("fit", files / "train.parquet", "--schema", files / "public.json", "-o", files / "p.jsynth")
    private = ("--model", "vae", "--epsilon", 3, "--delta", 1e-5)
    assert run(*fit, *private, monkeypatch=monkeypatch) == 0
    told = capsys.readouterr().err
    assert "epsilon 3, delta 1e-05, add-remove" in told
    assert "(3, 1e-05)-differentially private" in told
    out = files / "certificate.json"
    assert run("certificate", files / "p.jsynth", "-o", out, monkeypatch=monkeypatch) == 0
    shown = capsys.readouterr()
    assert "Not covered:" in shown.out
    assert "declared: 3" in shown.err
    again = js.Certificate.from_json(json.loads(out.read_text()))
    assert again == js.load(files / "p.jsynth").certificate


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("certificate", "model.jsynth"), "trained without differential privacy"),
        (("fit", "train.parquet", "--delta", "1e-5"), "--delta without --epsilon"),
        (("fit", "train.parquet", "--public-rows", "10"), "--public-rows without --epsilon"),
        (("fit", "train.parquet", "--epsilon", "-1"), "epsilon is -1.0; give 0.01 to 20"),
        (("fit", "train.parquet", "--epsilon", "1"), "--declare-public"),
        (("fit", "train.parquet", "--epsilon", "1", "--model", "diffusion"), "no private training"),
    ],
)
def test_a_mistake_about_privacy_is_one_line_and_status_2(
    arguments: tuple[str, ...],
    told: str,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    named = [files / a if a.endswith((".parquet", ".jsynth")) else a for a in arguments]
    assert run(*named, monkeypatch=monkeypatch) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert told in error
