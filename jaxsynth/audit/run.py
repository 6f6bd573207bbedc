"""`audit`: read three tables, collect the evidence of each audit, judge it over all rows and in groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

import pyarrow as pa
from numpy.typing import NDArray

from jaxsynth.audit.copying import CopyEvidence, copying
from jaxsynth.audit.density import membership_density
from jaxsynth.audit.evidence import Evidence
from jaxsynth.audit.features import membership_features
from jaxsynth.audit.groups import Labels, break_down, by_column, by_outlyingness
from jaxsynth.audit.inference import inferences
from jaxsynth.audit.inputs import AuditTables, read_tables, refuse_overlap
from jaxsynth.audit.likelihood_ratio import shadow_membership
from jaxsynth.audit.linkability import linkability
from jaxsynth.audit.membership import MembershipEvidence
from jaxsynth.audit.outlying import outlyingness, outlyingness_of, vulnerable_records
from jaxsynth.audit.planted import check_planted, self_test
from jaxsynth.audit.progress import Tell, progress_of
from jaxsynth.audit.result import AuditReport, AuditResult, GroupAudit, SelfTest, VulnerableRecord
from jaxsynth.audit.share import share_closer
from jaxsynth.audit.singling_out import singling_out
from jaxsynth.errors import AuditError
from jaxsynth.neighbours import read_cells
from jaxsynth.progress import Show
from jaxsynth.schema import Schema

AuditName = Literal["copies", "membership", "singling_out", "linkability", "inference"]
AUDITS: tuple[AuditName, ...] = get_args(AuditName)
_LISTED = 20  # vulnerable records


class Shadows(Protocol):
    """What `jaxsynth.shadows` returns: tables released by shadow generators, and which pool rows each has seen."""

    @property
    def releases(self) -> tuple[pa.Table, ...]: ...
    @property
    def inside(self) -> NDArray[Any]: ...


def audit(
    synthetic: Any,
    *,
    train: Any,
    holdout: Any,
    schema: Schema | None = None,
    audits: Sequence[AuditName] | None = None,
    subgroups: Sequence[str] = (),
    secrets: Sequence[str] | None = None,
    shadows: Shadows | None = None,
    planted: float | None = None,
    seed: int = 0,
    threads: int = 0,
    progress: Show = None,
) -> AuditReport:
    """Attack a synthetic table as an outsider would, and say what it gives away of the training rows.

    Every figure has a baseline of real rows the generator has not seen, and is judged by its excess over it;
    `jaxsynth.audit.verdict` has the rules. A failed audit shows a leak. A passed one shows that these attacks,
    on this many rows, found none: it is no proof of privacy, which only training with a privacy budget gives.

    Args:
        synthetic: the generated table; anything `jaxsynth` takes for a table, at least 1 row.
        train: the table the generator was fitted to, at least 2 rows.
        holdout: rows of the same population that the generator has not seen, split off at random (by
            person, where persons have several rows), at least 4 rows, some 1,500 for copying screens to pass.
        schema: which columns count and their bounds; inferred from `train` if None. Identifier and text
            columns are left out, and each table may have further columns.
        audits: any of "copies", "membership", "singling_out", "linkability" and "inference"; None: all, but the
            last two only where there are two columns.
        subgroups: columns of few values to break every figure down by. Every figure is broken down by how
            outlying patients are as well.
        secrets: the columns that "inference" guesses, each from all others; None: every modelled column.
        shadows: what `jaxsynth.shadows` made of the same `train` and `holdout`, for membership by likelihood
            ratios; None: without.
        planted: also judge copying as if this share of synthetic rows were training rows; None: no self-test.
        seed: non-negative; decides splits, targets, resamples. One seed, one report.
        threads: how many threads search; 0: one for each core.
        progress: show what is being done on stderr, "json" as JSON lines; None shows it on a terminal. Ctrl-C ends
            an audit at once.

    Returns:
        An internal report: results, groups, curves, vulnerable records.

    Raises:
        TableError: a table is unreadable or holds NaN or infinite cells.
        AuditError: a modelled column is missing or of another type than the schema says, a table has too few
            rows, the holdout overlaps the training table, or an argument is out of range.

    Example:
        >>> import pyarrow as pa
        >>> rows = pa.table({"x": [0.1, 0.5, 0.9, 1.7]})
        >>> report = audit(rows, train=rows, holdout=pa.table({"x": [0.2, 0.4, 0.8, 1.6]}), audits=["copies"])
        >>> report["exact_copies"].estimate, report["exact_copies"].baseline
        (1.0, 0.0)
    """
    _check(audits, seed, planted)
    tables = read_tables(synthetic, train, holdout, schema, threads=threads)
    asked = _applicable(tables) if audits is None else tuple(audits)
    columns = [by_column(tables, name) for name in subgroups]
    run = _Run(tables, seed, secrets, shadows)
    with progress_of(len(asked) + 3, show=progress) as tell:
        tell("nearest training rows")
        copies = run.copies()
        evidence = [e for name in asked for e in run.evidence(name, copies, tell)]
        tell("outlying records")
        deciles, vulnerable = run.outlying(copies, evidence)
        tell("groups and intervals")
        return _report(
            tables,
            seed,
            results=tuple(r for e in evidence for r in e.results(seed=seed)),
            groups=tuple(g for labels in (*columns, deciles) for g in break_down(evidence, labels, seed=seed)),
            copies=copies if "copies" in asked else None,
            self_test=None if planted is None else self_test(tables, copies, planted, seed=seed),
            vulnerable=vulnerable,
        )


def _check(audits: Sequence[str] | None, seed: int, planted: float | None) -> None:
    if seed < 0:
        raise AuditError(f"seed is {seed}; give a non-negative integer")
    for name in audits or ():
        if name not in AUDITS:
            raise AuditError(f"audits: {name!r} is no audit; choose from {', '.join(AUDITS)}")
    if audits is not None and not audits:
        raise AuditError("audits: none is named; leave it out for all")
    if planted is not None:
        check_planted(planted)


def _applicable(tables: AuditTables) -> tuple[AuditName, ...]:
    return AUDITS if len(tables.schema.modelled) > 1 else AUDITS[:3]


@dataclass(frozen=True, eq=False)
class _Run:
    """One audit of these tables."""

    tables: AuditTables
    seed: int
    secrets: Sequence[str] | None
    shadows: Shadows | None

    def copies(self) -> CopyEvidence:
        found = copying(self.tables)
        refuse_overlap(self.tables, int((found.real.distances[:, 0] == 0).sum()), seed=self.seed)
        return found

    def evidence(self, name: AuditName, copies: CopyEvidence, tell: Tell) -> tuple[Evidence, ...]:
        tell(name.replace("_", " "))
        collect: dict[AuditName, Callable[[], tuple[Evidence, ...]]] = {
            "copies": lambda: (copies, share_closer(self.tables, seed=self.seed)),
            "membership": self.membership,
            "singling_out": lambda: singling_out(self.tables, seed=self.seed),
            "linkability": lambda: (linkability(self.tables, seed=self.seed),),
            "inference": lambda: inferences(self.tables, seed=self.seed, secrets=self.secrets),
        }
        return collect[name]()

    def membership(self) -> tuple[MembershipEvidence, ...]:
        tables, seed = self.tables, self.seed
        found = (membership_density(tables, seed=seed), membership_features(tables, seed=seed))
        if self.shadows is None:
            return found
        releases = [
            read_cells(release, tables.schema, what=f"shadow {i}")
            for i, release in enumerate(self.shadows.releases)
        ]
        return (*found, *shadow_membership(tables, releases, self.shadows.inside, seed=seed))

    def outlying(
        self, copies: CopyEvidence, evidence: Sequence[Evidence]
    ) -> tuple[Labels, tuple[VulnerableRecord, ...]]:
        own = outlyingness(self.tables)
        seen = outlyingness_of(self.tables, self.tables.holdout)
        labels = by_outlyingness(own, seen, synthetic=copies.mine.rows, holdout=copies.real.rows)
        membership = [e for e in evidence if isinstance(e, MembershipEvidence)]
        return labels, vulnerable_records(own, _LISTED, evidence=membership[-1] if membership else None)


def _report(
    tables: AuditTables,
    seed: int,
    *,
    results: tuple[AuditResult, ...],
    groups: tuple[GroupAudit, ...],
    copies: CopyEvidence | None,
    self_test: SelfTest | None,
    vulnerable: tuple[VulnerableRecord, ...],
) -> AuditReport:
    return AuditReport(
        results=results,
        groups=groups,
        curves=() if copies is None else copies.curves,
        self_test=self_test,
        vulnerable=vulnerable,
        n_train=len(tables.train[0]),
        n_holdout=len(tables.holdout[0]),
        n_synthetic=len(tables.synthetic[0]),
        seed=seed,
        schema_digest=tables.schema.digest,
    )
