"""The command line: the verbs of the Python API. Data and results to files or stdout, messages to stderr.

Exit status: 0 done; 1 a gate the user asked for did not hold; 2 bad usage or bad input, in one line; 130 Ctrl-C;
143 SIGTERM, also where a fit then wrote the best model so far.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from jaxsynth.cli_messages import progress_as, say, show_warning
from jaxsynth.cli_signals import INTERRUPTED, TERMINATED, StoppedError, terminable
from jaxsynth.devices import use_all_cores
from jaxsynth.errors import AuditError, JaxsynthError, OutputError, PrivacyError, SchemaError

if TYPE_CHECKING:
    from jaxsynth.sample import Manifest
    from jaxsynth.synthesizer import Synthesizer

app = typer.Typer(
    name="jaxsynth", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="Synthetic health data: fit a generator, sample it, and audit what it leaks.",
)  # fmt: skip

Data = Annotated[Path, typer.Argument(help="Parquet, Arrow IPC or CSV file, or a directory of them.")]
Out = Annotated[Path, typer.Option("-o", "--out", help="Where to write.")]
SchemaFile = Annotated[Path | None, typer.Option("--schema", help="Schema JSON; inferred if not given.")]
Seed = Annotated[int, typer.Option("--seed", help="Drives every random choice.")]
NanAsNull = Annotated[bool, typer.Option("--nan-as-null", help="Read NaN cells as missing.")]
Train = Annotated[Path, typer.Option("--train", help="The table the generator was fitted on.")]
Holdout = Annotated[Path, typer.Option("--holdout", help="Real rows the generator never saw.")]
Json = Annotated[Path | None, typer.Option("-o", "--out", help="Write the result as JSON.")]
Html = Annotated[Path | None, typer.Option("--html", help="Write a self-contained HTML report.")]
GateNames = Annotated[str, typer.Option("--fail-on", help="Audits that must not fail, as in 'copies,membership'.")]
Names = Annotated[str, typer.Option("--audits", help="Which audits, as in 'copies,membership'; all if not given.")]
Subgroups = Annotated[
    list[str] | None, typer.Option("--subgroup", help="Column to break figures down by; may be repeated.")
]
Planted = Annotated[
    float | None, typer.Option("--planted", help="Self-test with this share of planted copies, as in 0.005.")
]
ShadowCount = Annotated[
    int, typer.Option("--shadows", help="Train so many generators like --model for LiRA and RMIA; slow.")
]
ModelFile = Annotated[Path | None, typer.Option("--model", help="The model file whose generator shadows copy.")]
Epsilon = Annotated[
    float | None, typer.Option("--epsilon", help="Train with differential privacy of this epsilon, as in 1.")
]
Delta = Annotated[float | None, typer.Option("--delta", help="Its delta; 1e-6 if not given.")]
Discover = Annotated[
    float | None,
    typer.Option("--discover", help="Share of the budget to find undeclared bounds and levels, as in 0.1."),
]
PublicRows = Annotated[
    int | None, typer.Option("--public-rows", help="Number of subjects, if that is public; else it is paid for.")
]
Releasable = Annotated[
    Path | None,
    typer.Option("--releasable", help="Write a rounded report for others; refused while audits charge no budget."),
]
OutOfCore = Annotated[
    bool | None,
    typer.Option(
        "--out-of-core/--in-memory",
        help="Never hold all rows of Parquet or Arrow files; by default where they take a quarter of memory.",
    ),
]
Cache = Annotated[
    Path | None,
    typer.Option("--cache", help="Directory for the codes of an out-of-core fit; by default JAXSYNTH_CACHE."),
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")]
LogJson = Annotated[bool, typer.Option("--log-json", help="Progress and messages as JSON lines on stderr.")]

_MEMORY = 0.25  # share of it from which a table is fitted out of core: fitting takes a few times the table

_GATE_GROUPS = {
    "copies": ("exact_copies", "near_copies"),
    "distance": ("dcr", "nndr", "dcr_share"),
    "membership": "membership_", "singling_out": "singling_out_", "inference": "inference_",
}  # fmt: skip


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Directory for the results.")] = Path("demo"),
    seed: Seed = 0,
) -> None:
    """Fit the embedded SUPPORT2 cohort, sample 10,000 rows, audit them and write a report."""
    from jaxsynth.demo import run_demo

    run_demo(out, seed=seed)


@app.command()
def schema(
    data: Data,
    out: Out = Path("schema.json"),
    declare_public: Annotated[
        bool,
        typer.Option("--declare-public", help="Attest that all of it is public knowledge, for private training."),
    ] = False,
    nan_as_null: NanAsNull = False,
) -> None:
    """Describe a table: kinds, levels, bounds, resolutions and direct identifiers."""
    from jaxsynth.schema import Schema

    inferred = Schema.infer(_read(data, nan_as_null))
    (inferred.declare_public() if declare_public else inferred).save(out)
    for column in inferred:
        if not column.modelled:
            say(f"{column.name}: {column.pii or column.kind}, not learned, on output: {column.output}")
    say(f"wrote {out} ({len(inferred.columns)} columns); check it before you publish it: levels are data")


@app.command()
def fit(
    data: Data,
    out: Out = Path("model.jsynth"),
    model: Annotated[
        str, typer.Option("--model", help="autoregressive, vae, gan or diffusion.")
    ] = "autoregressive",
    schema: SchemaFile = None,
    seed: Seed = 0,
    epsilon: Epsilon = None,
    delta: Delta = None,
    discover: Discover = None,
    public_rows: PublicRows = None,
    out_of_core: OutOfCore = None,
    cache: Cache = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
    nan_as_null: NanAsNull = False,
) -> None:
    """Train a generator on a table and write the model file.

    Ctrl-C and SIGTERM end training early and write the best parameters so far, if there are any.
    """
    from jaxsynth.fitting import fit as fit_table
    from jaxsynth.models import DEFAULTS

    if model not in DEFAULTS:
        raise SchemaError(f"--model {model!r} is unknown; use one of {', '.join(DEFAULTS)}")
    if out_of_core is None:
        out_of_core = epsilon is None and _fills_memory(data)
    synth = fit_table(
        _stream(data, nan_as_null) if out_of_core else _read(data, nan_as_null),
        DEFAULTS[model],
        schema=_schema(schema),
        privacy=_privacy(epsilon, delta=delta, discover=discover, rows=public_rows),
        seed=seed,
        progress=progress_as(quiet=quiet, log_json=log_json),
        cache=cache,
    )
    digest = synth.save(out)
    h = synth.history
    kept = f"kept pass {h.best + 1}" if synth.certificate is None else synth.certificate.statement
    say(
        f"{h.stopped} after {h.steps} steps, {kept}; wrote {out} (sha256 {digest[:12]})",
        event="done",
        path=str(out),
        sha256=digest,
        steps=h.steps,
        stopped=h.stopped,
    )


def _privacy(epsilon: float | None, **others: Any) -> Any:
    """What the options ask of privacy; None if nothing."""
    from jaxsynth.privacy import Privacy

    given = {name: value for name, value in others.items() if value is not None}
    if epsilon is not None:
        return Privacy(epsilon=epsilon, **given)
    if given:
        name = "public-rows" if "rows" in given else next(iter(given))
        raise PrivacyError(f"--{name} without --epsilon: no privacy was asked for; give --epsilon, as in 1")
    return None


@app.command()
def certificate(
    model: Annotated[Path, typer.Argument(help="A model file.")],
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write it as JSON.")] = None,
) -> None:
    """Show what differential privacy a model file was trained with, and check it by computing it anew."""
    from jaxsynth.atomic import write_bytes
    from jaxsynth.synthesizer import load

    found = load(model).certificate
    if found is None:
        raise PrivacyError(f"{str(model)!r} was trained without differential privacy; fit it with --epsilon")
    typer.echo(str(found))
    if out:
        write_bytes(out, (json.dumps(found.to_json(), indent=1) + "\n").encode())
    again = found.recompute()
    say(f"epsilon computed anew from the charges: {again:.4f}, declared: {found.epsilon:g}")
    if found.void or again > found.epsilon:
        say("the certificate does not hold")
        raise typer.Exit(1)


@app.command()
def sample(
    model: Annotated[Path, typer.Argument(help="A model file.")],
    rows: Annotated[int, typer.Option("-n", "--rows", help="How many rows.")],
    out: Annotated[
        str, typer.Option("-o", "--out", help="A file, or a directory for shards; also s3://bucket/prefix.")
    ],
    where: Annotated[
        list[str] | None, typer.Option("--where", help="'age >= 65', 'sex = female', 'race in white, black'.")
    ] = None,
    seed: Seed = 0,
    start: Annotated[int, typer.Option("--start", help="Number of the first row of the stream.")] = 0,
    format: Annotated[
        str | None, typer.Option("--format", help="parquet, ipc or csv; told from the name if not given.")
    ] = None,
    shard_rows: Annotated[
        int | None, typer.Option("--shard-rows", help="Most rows a file of a directory.")
    ] = None,
    partition: Annotated[
        str | None, typer.Option("--partition", help="Column whose values get directories of their own.")
    ] = None,
    workers: Annotated[int | None, typer.Option("--workers", help="Files written at a time.")] = None,
    part: Annotated[
        str,
        typer.Option(
            "--part", help="Share of this process, 0/8 to 7/8 of eight; auto under Slurm, Open MPI or on TPUs."
        ),
    ] = "0/1",
    by_ray: Annotated[
        bool, typer.Option("--ray", help="Build shards on a Ray cluster; all of it must reach --out.")
    ] = False,
    ray_address: Annotated[
        str | None, typer.Option("--ray-address", help="Of the cluster; else RAY_ADDRESS, else this machine.")
    ] = None,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Draw rows from a model file into Parquet, Arrow IPC or CSV: one file, or a directory of shards.

    The same command again goes on with a directory that was begun, and checks one that is complete. Ctrl-C and
    SIGTERM stop at the next batch and leave the shards that are whole.
    """
    from jaxsynth.sample import parse_where
    from jaxsynth.sample.files import single_format
    from jaxsynth.sample.shard_plan import SHARD_ROWS
    from jaxsynth.synthesizer import load

    conditions, share = parse_where(where or []), _part(part)
    synth = load(model)
    write = _ray_write(synth, ray_address) if by_ray or ray_address else synth.write
    try:
        written = write(
            out,
            rows,
            seed=seed,
            start=start,
            where=conditions or None,
            format=format,
            shard_rows=SHARD_ROWS if shard_rows is None else shard_rows,
            partition=partition,
            workers=workers,
            part=share,
            progress=progress_as(quiet=quiet, log_json=log_json),
        )
    except KeyboardInterrupt as stop:
        if single_format(out, format) is not None:
            raise
        raise StoppedError(f"complete shards stay in {out}: run the same command to go on") from stop
    shards = len({file.shard for file in written.files})
    kept = f"; {shards - written.built} of {shards} shards were there" if shards > written.built else ""
    missing = "" if written.complete else "; other parts are missing"
    say(
        f"wrote {written.rows:,} rows to {out}{kept}{missing}",
        event="done",
        path=out,
        rows=written.rows,
        bytes=sum(file.bytes for file in written.files),
        shards=shards,
        shards_built=written.built,
        complete=written.complete,
    )


def _ray_write(synth: Synthesizer, address: str | None) -> Callable[..., Manifest]:
    from jaxsynth.ray import write

    return partial(write, synth, address=address)


def _part(text: str) -> tuple[int, int]:
    if text == "auto":
        return _launched_part()
    rank, _, parts = text.partition("/")
    if not (rank.isdecimal() and parts.isdecimal()):
        raise OutputError(f"--part {text!r}: write rank/parts, as in 0/8 to 7/8 of eight processes, or auto")
    return int(rank), int(parts)


def _launched_part() -> tuple[int, int]:
    """Rank and number of the processes that were launched together, which wait for one another here alone."""
    import jax

    try:
        jax.distributed.initialize()
    except (ValueError, RuntimeError) as error:
        raise OutputError(
            f"--part auto: cannot tell which processes share the work ({error}); launch them by Slurm, Open MPI "
            "or on TPUs, or give rank/parts"
        ) from error
    part = jax.process_index(), jax.process_count()
    jax.distributed.shutdown()  # type: ignore[no-untyped-call]  # who dies later takes nobody along
    return part


@app.command()
def impute(
    model: Annotated[Path, typer.Argument(help="A model file.")],
    data: Data,
    out: Out,
    seed: Seed = 0,
    nan_as_null: NanAsNull = False,
) -> None:
    """Fill the missing cells of a table, given each row's observed cells."""
    from jaxsynth.sample.files import write_stream
    from jaxsynth.synthesizer import load

    table = _read(data, nan_as_null)
    filled = load(model).impute(table, seed=seed)
    write_stream(filled.to_reader(), out, None)
    cells = sum(a.null_count - b.null_count for a, b in zip(table.columns, filled.columns, strict=True))
    say(f"filled {cells:,} cells of {filled.num_rows:,} rows; wrote {out}")


@app.command()
def audit(
    synthetic: Data,
    train: Train,
    holdout: Holdout,
    schema: SchemaFile = None,
    out: Json = None,
    html: Html = None,
    audits: Names = "",
    subgroup: Subgroups = None,
    planted: Planted = None,
    shadows: ShadowCount = 0,
    model: ModelFile = None,
    releasable: Releasable = None,
    fail_on: GateNames = "",
    seed: Seed = 0,
    quiet: Quiet = False,
    log_json: LogJson = False,
) -> None:
    """Attack synthetic rows and say what they give away of training rows, beside what real holdout rows do."""
    from jaxsynth.audit import audit as run
    from jaxsynth.report import report

    if releasable:
        _refuse_uncharged(releasable)
    result = run(
        synthetic,
        train=train,
        holdout=holdout,
        schema=_schema(schema),
        audits=_names(audits) or None,  # type: ignore[arg-type]  # checked there
        subgroups=subgroup or (),
        planted=planted,
        shadows=_shadows(synthetic, train, holdout, schema, model, n=shadows, seed=seed) if shadows else None,
        seed=seed,
        progress=progress_as(quiet=quiet, log_json=log_json),
    )
    gates = _gates(fail_on, [r.name for r in result.results])
    if out:
        result.save(out)
    if html:
        report(audit=result).save(html)
    typer.echo(str(result))
    failed = [g for g in gates if result[g].verdict == "fail"]
    if failed:
        say(f"gate not held: {', '.join(failed)}")
        raise typer.Exit(1)


def _shadows(
    synthetic: Path, train: Path, holdout: Path, schema: Path | None, model: Path | None, *, n: int, seed: int
) -> Any:
    """Releases as long as the synthetic table, of generators configured like the model's."""
    from jaxsynth.shadows import shadows
    from jaxsynth.synthesizer import load
    from jaxsynth.tables import as_table

    if model is None:
        raise AuditError(f"--shadows {n}: of what? name the model file that made the synthetic rows with --model")
    synth, rows = load(model), as_table(synthetic, what="synthetic").num_rows
    return shadows(
        train, holdout, synth.generator, schema=_schema(schema) or synth.schema, n=n, rows=rows, seed=seed
    )


def _refuse_uncharged(path: Path) -> NoReturn:
    """No audit of this release charges what it reads, so that none may leave by this way."""
    raise AuditError(
        f"--releasable {path}: audits read training rows without a charge to a privacy budget, so no report of "
        "theirs is released from here; keep the internal report (-o), or decide yourself, in Python, about "
        "jaxsynth.releasable(report), which is rounded but not private"
    )


@app.command()
def evaluate(
    synthetic: Data,
    train: Train,
    holdout: Holdout,
    target: Annotated[str | None, typer.Option("--target", help="Column to predict, for utility.")] = None,
    schema: SchemaFile = None,
    out: Json = None,
    html: Html = None,
    seed: Seed = 0,
) -> None:
    """Measure fidelity and utility, with real-vs-real floors."""
    from jaxsynth.quality import evaluate as run
    from jaxsynth.report import report

    result = run(synthetic, train=train, holdout=holdout, schema=_schema(schema), target=target, seed=seed)
    if out:
        result.save(out)
    if html:
        report(quality=result).save(html)
    typer.echo(str(result))


def _schema(path: Path | None) -> Any:
    from jaxsynth.schema import Schema

    return Schema.load(path) if path else None


def _read(path: Path, nan_as_null: bool) -> Any:
    from jaxsynth.tables import as_table, nan_to_null

    return nan_to_null(path) if nan_as_null else as_table(path)


def _fills_memory(path: Path) -> bool:
    """Whether a fit had better not read the table whole; says so."""
    from jaxsynth.streams import fills_memory

    large = fills_memory(path, _MEMORY)
    if large:
        say(f"{path} would fill more than {_MEMORY:.0%} of the memory: fitting out of core")
    return large


def _stream(path: Path, nan_as_null: bool) -> Any:
    from jaxsynth.streams import open_stream

    return open_stream(path, nan_as_null=nan_as_null)


def _names(text: str) -> list[str]:
    return [n.strip() for n in text.split(",") if n.strip()]


def _gates(text: str, known: Sequence[str]) -> list[str]:
    """Results that are named, one by one or by the group of audits that they belong to."""
    names: list[str] = []
    for asked in _names(text):
        group = _GATE_GROUPS.get(asked, (asked,))
        found = [k for k in known if (k.startswith(group) if isinstance(group, str) else k in group)]
        if not found:
            raise AuditError(f"--fail-on {asked!r} is no audit that was run; choose from {', '.join(known)}")
        names += found
    return names


def main() -> NoReturn:
    """Run the command line and exit with its status."""
    warnings.showwarning = show_warning
    use_all_cores()
    with terminable() as termination:
        status, left = _run()
        if status == INTERRUPTED:
            event = "terminated" if termination.received else "interrupted"
            say(f"{event}; {left}", event=event)
    sys.exit(TERMINATED if termination.received and status in (0, INTERRUPTED) else status)


def _run() -> tuple[int, str]:
    """Exit status of the command, and what it left if it was stopped."""
    left = "nothing was written"
    try:
        status = app(standalone_mode=False)
    except typer.TyperException as error:
        say(f"{error.format_message()}; see jaxsynth --help", event="error")
        return 2, left
    except (JaxsynthError, OSError) as error:
        say(" ".join(str(error).split()), event="error")
        return 2, left
    except StoppedError as stop:
        return INTERRUPTED, str(stop)
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED, left
    return (status if isinstance(status, int) else 0), left
