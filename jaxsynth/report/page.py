"""`report`: one self-contained HTML file that a data owner can read and sign off. No network, no scripts."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

from jaxsynth.atomic import write_bytes
from jaxsynth.audit.result import AuditReport
from jaxsynth.errors import AuditError
from jaxsynth.quality.result import QualityReport
from jaxsynth.report.audit_section import audit_section, audit_tile
from jaxsynth.report.quality_section import quality_sections, quality_tiles
from jaxsynth.report.svg import Markup, tag

# Nothing may load or run, whatever a column is called: escaping is the first fence, this is the second.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"

_NOT_PROTECTED = (
    "Other attacks: those that were run have found what is shown. An attacker who knows the generator, draws many "
    "tables from it or knows more of a person can find out more.",
    "Attributes: what the synthetic table shows of a group holds for its members, whether or not they were "
    "in the training data.",
    "Persons with several rows: rows are compared one by one; a person's rows together may stand out more.",
    "Identifiers and free text: columns that generators do not learn are neither compared nor screened here.",
    "This page: it holds level shares and coarse histograms of the real tables. Give it the same care as "
    "other aggregate statistics of those tables.",
    "A limit that holds against every attack comes only from training with differential privacy; its "
    "certificate is with the model file, not here.",
)


@dataclass(frozen=True, kw_only=True)
class Report:
    """A finished page.

    Attributes:
        html: the whole document.
    """

    html: str

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the page, atomically, as UTF-8.

        Raises:
            OutputError: the file cannot be written.
        """
        write_bytes(Path(path), self.html.encode())


def report(
    *,
    audit: AuditReport | None = None,
    quality: QualityReport | None = None,
    title: str = "Synthetic data report",
    date: dt.date | None = None,
) -> Report:
    """Lay out an audit, an evaluation, or both.

    Args:
        audit: the result of `jaxsynth.audit`.
        quality: the result of `jaxsynth.evaluate`.
        title: heading of the page.
        date: printed in the header; today if not given. The page depends on nothing else but its arguments
            and the library version.

    Raises:
        AuditError: neither audit nor quality is given, or one is of another type.
    """
    _check(audit, quality)
    tiles = ([audit_tile(audit)] if audit is not None else []) + (
        quality_tiles(quality) if quality is not None else []
    )
    body = [
        _header(audit, quality, title, date if date is not None else dt.datetime.now().astimezone().date()),
        tag(
            "main",
            tag("div", *tiles, class_="tiles"),
            *([audit_section(audit)] if audit is not None else []),
            *(quality_sections(quality) if quality is not None else []),
            _notes(quality),
        ),
        tag("footer", f"Written by jaxsynth {_version()}."),
    ]
    return Report(html=_document(title, body))


def _check(audit: object, quality: object) -> None:
    if audit is None and quality is None:
        raise AuditError("report: nothing to show; give audit=, quality= or both")
    for name, value, wanted in (("audit", audit, AuditReport), ("quality", quality, QualityReport)):
        if value is not None and not isinstance(value, wanted):
            raise AuditError(f"report: {name} is a {type(value).__name__}; give a {wanted.__name__}")


def _document(title: str, body: list[Markup]) -> str:
    style = (resources.files("jaxsynth.report") / "style.css").read_text(encoding="utf8")
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        tag("title", title),
        tag("style", Markup(style)),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, tag('body', *body), lang='en')}\n"


def _version() -> str:
    try:
        return metadata.version("jaxsynth")
    except metadata.PackageNotFoundError:  # run from a checkout
        return "(not installed)"


def _header(audit: AuditReport | None, quality: QualityReport | None, title: str, date: dt.date) -> Markup:
    facts = [("Date", date.isoformat()), ("Library", f"jaxsynth {_version()}")]
    sources = [("audit", audit), ("quality", quality)]
    given = [(name, s) for name, s in sources if s is not None]
    values = [
        ("Synthetic rows", [(n, f"{s.n_synthetic:,}") for n, s in given]),
        ("Training rows", [(n, f"{s.n_train:,}") for n, s in given]),
        ("Holdout rows", [(n, f"{s.n_holdout:,}") for n, s in given]),
        ("Seed", [(n, str(s.seed)) for n, s in given]),
        ("Schema SHA-256", [(n, s.schema_digest[:12]) for n, s in given]),
    ]
    facts += [(label, _merged(found)) for label, found in values]
    items = [tag("div", tag("dt", label), tag("dd", value)) for label, value in facts]
    about = "What synthetic rows were compared with, how close they come to real persons, and how alike they are."
    return tag("header", tag("h1", title), tag("p", about, class_="muted"), tag("dl", *items, class_="facts"))


def _merged(found: list[tuple[str, str]]) -> str:
    """One value, or each with its source where audit and quality were run on different tables."""
    if len({value for _, value in found}) == 1:
        return found[0][1]
    return ", ".join(f"{value} ({name})" for name, value in found)


def _notes(quality: QualityReport | None) -> Markup:
    parts = [
        tag("h2", "What this report does not show", id="limits"),
        tag("ul", *(tag("li", t) for t in _NOT_PROTECTED)),
    ]
    if quality is not None and quality.notes:
        parts += [tag("h3", "Notes of the evaluation"), tag("ul", *(tag("li", n) for n in quality.notes))]
    return tag("section", *parts, aria_labelledby="limits")
