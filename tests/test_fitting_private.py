from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

import jaxsynth as js
from jaxsynth.errors import ArtefactError, PrivacyError, PrivacyWarning
from jaxsynth.privacy.events import CountEvent, MeasureEvent, TrainingEvent
from tests.conftest import make_table

QUIET = pytest.mark.filterwarnings("ignore:NOT PRIVATE")


@pytest.fixture(scope="module")
def table() -> pa.Table:
    return make_table(600)


@pytest.fixture(scope="module")
def schema(table: pa.Table) -> js.Schema:
    return js.Schema.infer(table).declare_public()


@pytest.fixture(scope="module")
def synth(table: pa.Table, schema: js.Schema) -> js.Synthesizer:
    return js.fit(table, js.VAE(), schema=schema, privacy=js.Privacy(epsilon=2.0), progress=False)


def _certificate(synth: js.Synthesizer) -> js.Certificate:
    assert synth.certificate is not None
    return synth.certificate


def test_a_private_model_keeps_the_schema(synth: js.Synthesizer, table: pa.Table, schema: js.Schema) -> None:
    drawn = synth.sample(1000, seed=1)
    schema.check(drawn)
    assert drawn.schema.types == table.schema.types
    assert drawn["sex"].to_pylist().count("female") == pytest.approx(500, abs=150)


def test_the_certificate_accounts_for_every_read(synth: js.Synthesizer) -> None:
    found = _certificate(synth)
    assert (found.epsilon, found.delta, found.adjacency, found.void) == (2.0, 1e-6, "add-remove", False)
    assert isinstance(found.events[0], CountEvent)
    assert isinstance(found.events[-1], TrainingEvent)
    assert all(isinstance(e, MeasureEvent) for e in found.events[1:-1])
    again = found.recompute()
    assert 0.999 * 2.0 <= again <= 2.0


def test_nothing_of_the_rows_lies_in_the_history(synth: js.Synthesizer) -> None:
    assert synth.history.losses == synth.history.held_out == ()
    assert synth.artefact.rows == _certificate(synth).events[-1].units  # type: ignore[union-attr]


def test_the_model_file_keeps_the_certificate(synth: js.Synthesizer, tmp_path: Path) -> None:
    synth.save(tmp_path / "m.jsynth")
    again = js.load(tmp_path / "m.jsynth")
    assert _certificate(again) == _certificate(synth)
    assert again.sample(50, seed=3).equals(synth.sample(50, seed=3))


def test_a_changed_certificate_is_noticed(synth: js.Synthesizer) -> None:
    told = json.loads(json.dumps(_certificate(synth).to_json()))
    told["epsilon"] = 1.0
    with pytest.raises(ArtefactError, match="altered"):
        js.Certificate.from_json(told)


@QUIET
@pytest.mark.parametrize("generator", [js.Autoregressive(), js.GAN()], ids=lambda g: str(g.name))
def test_other_generators_train_privately(generator: js.GAN, table: pa.Table, schema: js.Schema) -> None:
    privacy = js.Privacy(epsilon=3.0, rows=600, deterministic_noise=True)
    synth = js.fit(table, generator, schema=schema, privacy=privacy, progress=False)
    schema.check(synth.sample(200, seed=0))
    found = _certificate(synth)
    assert found.void
    assert "NOT PRIVATE" in str(found)
    assert found.adjacency == "zero-out"
    assert not any(isinstance(e, CountEvent) for e in found.events)
    assert 0.999 * 3.0 <= found.recompute() <= 3.0


@QUIET
def test_the_seed_decides_everything_only_in_tests(table: pa.Table, schema: js.Schema) -> None:
    short = js.VAE(latent=2, hidden=(8,))
    seeded = js.Privacy(epsilon=1.0, deterministic_noise=True)
    first, second = (js.fit(table, short, schema=schema, privacy=seeded, seed=4, progress=False) for _ in range(2))
    assert first.sample(100, seed=0).equals(second.sample(100, seed=0))
    secret = js.Privacy(epsilon=1.0)
    first, second = (js.fit(table, short, schema=schema, privacy=secret, seed=4, progress=False) for _ in range(2))
    assert not first.sample(100, seed=0).equals(second.sample(100, seed=0))


def test_rows_of_one_person_are_bounded(table: pa.Table) -> None:
    people = table.append_column("person", pa.array(np.arange(600) // 4))
    schema = js.Schema.infer(people, subject="person").declare_public()
    privacy = js.Privacy(epsilon=5.0, rows_per_subject=2)
    with pytest.warns(UserWarning, match="person"):
        synth = js.fit(people, js.VAE(latent=2, hidden=(8,)), schema=schema, privacy=privacy, progress=False)
    found = _certificate(synth)
    assert found.unit == "all rows with one value of 'person'"
    assert found.events[-1].units == pytest.approx(150, abs=100)  # type: ignore[union-attr]
    assert found.recompute() <= 5.0


def test_an_inferred_schema_is_refused_with_both_remedies(table: pa.Table) -> None:
    with pytest.raises(PrivacyError, match=r"declare.*discover=") as error:
        js.fit(table, js.VAE(), privacy=js.Privacy(epsilon=1.0), progress=False)
    assert "'sex'" in str(error.value)


def test_discovery_pays_for_what_is_missing(table: pa.Table) -> None:
    inferred = js.Schema.infer(table.drop_columns(["grade"]))
    privacy = js.Privacy(epsilon=10.0, discover=0.2)
    short = js.VAE(latent=2, hidden=(8,))
    source = table.drop_columns(["grade"])
    synth = js.fit(source, short, schema=inferred, privacy=privacy, progress=False)
    assert set(synth.schema["sex"].levels or ()) >= {"female", "male", "OTHER"}
    assert synth.schema["age"].bounds is not None
    assert not any(c.inferred for c in synth.schema)
    assert {e.stage for e in _certificate(synth).events if isinstance(e, MeasureEvent)} == {
        "discover",
        "marginals",
    }
    assert _certificate(synth).recompute() <= 10.0


def test_what_cells_look_like_decides_no_kind(table: pa.Table) -> None:
    """Whether unique strings are identifiers would be read off the data: they are levels that nobody shares."""
    mail = pa.array([f"p{i}@example.org" for i in range(table.num_rows)])
    source = table.select(["age", "sex"]).append_column("mail", mail)
    privacy = js.Privacy(epsilon=10.0, discover=0.2)
    synth = js.fit(source, js.VAE(latent=2, hidden=(8,)), privacy=privacy, progress=False)
    assert synth.schema["mail"].kind == "category"
    assert synth.schema["mail"].levels == ("OTHER",)
    assert set(synth.schema["sex"].levels or ()) >= {"female", "male"}


def test_generators_without_a_private_way_name_those_that_have_one(table: pa.Table, schema: js.Schema) -> None:
    with pytest.raises(PrivacyError, match=r"Diffusion .* Autoregressive\(\), GAN\(\), VAE\(\)"):
        js.fit(table, js.Diffusion(), schema=schema, privacy=js.Privacy(epsilon=1.0), progress=False)


def test_what_a_user_sets_is_kept(table: pa.Table, schema: js.Schema) -> None:
    with pytest.warns(PrivacyWarning, match="NOT PRIVATE"):
        privacy = js.Privacy(epsilon=1.0, deterministic_noise=True)
    synth = js.fit(table, js.VAE(latent=3, hidden=(8,)), schema=schema, privacy=privacy, progress=False)
    assert isinstance(synth.generator, js.VAE)
    assert (synth.generator.latent, synth.generator.hidden) == (3, (8,))
    assert synth.generator.validation == 0.0


def test_cells_outside_of_the_schema_are_moved_and_not_told(table: pa.Table, schema: js.Schema) -> None:
    narrow = schema.changed("age", bounds=(40, 70)).declare_public()
    synth = js.fit(
        table, js.VAE(latent=2, hidden=(8,)), schema=narrow, privacy=js.Privacy(epsilon=2.0), progress=False
    )
    ages = synth.sample(500, seed=0)["age"].to_numpy()
    assert ages.min() >= 40
    assert ages.max() <= 70


def test_a_table_that_the_schema_does_not_describe_is_refused(table: pa.Table, schema: js.Schema) -> None:
    with pytest.raises(js.JaxsynthError, match="sex"):
        js.fit(table.drop_columns(["sex"]), js.VAE(), schema=schema, privacy=js.Privacy(epsilon=1.0))
    assert replace(schema, target=None) == schema
