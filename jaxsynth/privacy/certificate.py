"""`Certificate`: what was guaranteed and how, as JSON and as text; anyone can recompute it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, get_args

from jaxsynth.errors import ArtefactError
from jaxsynth.privacy.events import CountEvent, Event, MeasureEvent, TrainingEvent, event_from_json, event_to_json
from jaxsynth.privacy.ledger import Ledger
from jaxsynth.privacy.recompute import recomputed_epsilon
from jaxsynth.privacy.settings import Adjacency
from jaxsynth.schema import Schema

_FORMAT = "jaxsynth-privacy-certificate"
_VERSION = 1
_COMPOSITION = (
    "the count adds its epsilon; Gaussian noise and DP-SGD by privacy loss distributions; delta besides for cut "
    "batches, selected levels and inexact noise, each (1 + e**epsilon) times a total variation"
)

NOT_COVERED = (
    "The choice of settings by trying several fits on the same table.",
    "Public inputs: the schema, and the number of rows where it was declared.",
    "Which columns a schema that was given takes for identifiers, text or categories.",
    "The time that a fit takes, and the memory.",
    "Floating-point error of sums before they are rounded to a grid.",
    "Several releases from one table: their epsilons and deltas add up.",
    "Rows beyond the number kept of each subject, and rows without a subject: they are dropped.",
    "The training table itself, wherever it is kept.",
    "Reports made on real rows.",
)


@dataclass(frozen=True, kw_only=True)
class Certificate:
    """A statement of differential privacy.

    Attributes:
        unit: whose presence is hidden, in words.
        rows_per_subject: rows of each that were kept at most.
        adjacency: which tables look alike.
        epsilon: the bound that was asked for and kept.
        delta: the probability that was asked for and kept.
        events: every charge with its parameters, in order.
        composition: how they compose, in words.
        accountant: library and version.
        noise: where it came from, in words.
        sampling: of batches, in words.
        schema_digest: SHA-256 of the schema that is released.
        version: of jaxsynth.
        not_covered: what the statement does not say.
        void: the noise could be replayed, so that nothing is guaranteed.
    """

    unit: str
    rows_per_subject: int
    adjacency: Adjacency
    epsilon: float
    delta: float
    events: tuple[Event, ...]
    composition: str
    accountant: str
    noise: str
    sampling: str
    schema_digest: str
    version: str
    not_covered: tuple[str, ...]
    void: bool

    @classmethod
    def of(cls, ledger: Ledger, schema: Schema) -> Certificate:
        """State what a ledger has charged up to now.

        Args:
            ledger: that paid.
            schema: public, as released: after discovery, where there was any.
        """
        privacy, subject = ledger.plan.privacy, ledger.subject
        return cls(
            unit="a row" if subject is None else f"all rows with one value of {subject!r}",
            rows_per_subject=privacy.rows_per_subject,
            adjacency=privacy.relation,
            epsilon=privacy.epsilon,
            delta=privacy.delta,
            events=ledger.events,
            composition=_COMPOSITION,
            accountant=f"privacy loss distributions of dp-accounting {version('dp-accounting')}",
            noise=ledger.noise_name
            + ("" if privacy.noise == "chacha20" else "; in training threefry, not secure"),
            sampling=_sampling(ledger.events),
            schema_digest=schema.digest,
            version=version("jaxsynth"),
            not_covered=NOT_COVERED,
            void=not ledger.private,
        )

    def to_json(self) -> dict[str, Any]:
        """The certificate as JSON values, with its digest."""
        return {**self._content(), "digest": self.digest}

    @classmethod
    def from_json(cls, data: Any) -> Certificate:
        """The certificate that `to_json` wrote.

        Raises:
            ArtefactError: foreign, of a newer release, or altered.
        """
        if not isinstance(data, dict) or data.get("format") != _FORMAT:
            raise ArtefactError(
                "certificate: not a jaxsynth privacy certificate; give one that a private fit wrote"
            )
        if data.get("format_version") != _VERSION:
            raise ArtefactError(
                f"certificate: format {data.get('format_version')!r}, this release reads {_VERSION}; upgrade"
            )
        content = {k: v for k, v in data.items() if k != "digest"}
        if data.get("digest") != _digest(content):
            raise ArtefactError("certificate: altered, its digest does not match; ask its author for the original")
        try:
            return cls(**_fields(content))
        except (KeyError, TypeError, AttributeError) as error:
            raise ArtefactError(f"certificate: inconsistent ({error}); ask its author for the original") from error

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON, hexadecimal: finds changes, and does not say who wrote it."""
        return _digest(self._content())

    def recompute(self) -> float:
        """Return the epsilon that the events' parameters alone amount to, rebuilt and composed in dp_accounting.

        At most `epsilon`, within .1 % of it where a plan was spent whole, and below it elsewhere.
        """
        return recomputed_epsilon(self.events, epsilon=self.epsilon, delta=self.delta, adjacency=self.adjacency)

    def _content(self) -> dict[str, Any]:
        content = {**asdict(self), "events": [event_to_json(e) for e in self.events]}
        head = {"format": _FORMAT, "format_version": _VERSION}
        return {**head, **content, "not_covered": list(self.not_covered), "statement": self.statement}

    @property
    def statement(self) -> str:
        """What is guaranteed, in a line."""
        if self.void:
            return "NOT PRIVATE: deterministic noise for tests"
        return f"({self.epsilon:g}, {self.delta:g})-differentially private"

    def __str__(self) -> str:
        kept = f"at most {self.rows_per_subject} row(s) of each, tables are neighbours by {self.adjacency}"
        lines = [
            self.statement,
            f"Unit: {self.unit}; {kept}",
            "Charges:",
            *(f"  {i}. {_in_words(e)}" for i, e in enumerate(self.events, 1)),
            f"Composition: {self.composition}",
            f"Sampling: {self.sampling}",
            f"Noise: {self.noise}",
            f"Accountant: {self.accountant}",
            f"Schema: {self.schema_digest}",
            f"jaxsynth {self.version}",
            "Not covered:",
            *(f"  - {line}" for line in self.not_covered),
            f"Digest: {self.digest}",
        ]
        return "\n".join(lines)


def _sampling(events: tuple[Event, ...]) -> str:
    trained = [e for e in events if isinstance(e, TrainingEvent)]
    return "; ".join(f"Poisson, probability {e.probability:.6g}, cut at {e.batch_size}" for e in trained) or "none"


def _in_words(event: Event) -> str:
    match event:
        case CountEvent():
            return f"count: discrete Laplace, epsilon {event.epsilon:g}"
        case MeasureEvent():
            levels = f", total variation {event.delta:.3g}" if event.delta else ""
            noise = f"Gaussian, sensitivity {event.sensitivity:.4g}, noise {event.sigma:.4g}{levels}"
            return f"{event.stage}: {event.name}: {noise}"
        case TrainingEvent():
            noise = f"noise multiplier {event.noise_multiplier:.6g}, clipping norm {event.clipping_norm:g}"
            return f"training: DP-SGD, {event.steps} batches, probability {event.probability:.6g}, {noise}"


def _fields(content: dict[str, Any]) -> dict[str, Any]:
    fields = {k: v for k, v in content.items() if k not in {"format", "format_version", "statement"}}
    if fields["adjacency"] not in get_args(Adjacency):
        raise KeyError(fields["adjacency"])
    events = tuple(event_from_json(e) for e in fields["events"])
    return {**fields, "events": events, "not_covered": tuple(fields["not_covered"])}


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
