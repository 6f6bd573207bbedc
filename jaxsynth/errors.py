"""Error and warning types. Every message says what was wrong, where, what was found, and what to do.

All errors derive from `JaxsynthError`, a `ValueError`, so that `except ValueError` keeps working in
user code while the command line can tell a user's mistake (exit status 2) from a defect.
"""

from __future__ import annotations


class JaxsynthError(ValueError):
    """A mistake in what was asked or given; the message ends with a remedy."""


class TableError(JaxsynthError):
    """The table cannot be read or holds cells that no schema could describe."""


class SchemaError(JaxsynthError):
    """The schema is not well formed, or it disagrees with the table."""


class CodecError(JaxsynthError):
    """A cell cannot be encoded under the schema."""


class ConditionError(JaxsynthError):
    """A condition names an unknown column or value, or one that the model cannot honour."""


class CapabilityError(JaxsynthError):
    """The model cannot do what was asked of it; says which one can."""


class ArtefactError(JaxsynthError):
    """A model file is missing, truncated, altered, foreign, or of a newer format."""


class TrainingError(JaxsynthError):
    """Training could not produce usable parameters."""


class OutputError(JaxsynthError):
    """The output could not be written; nothing half-written was left behind."""


class AuditError(JaxsynthError):
    """The tables given to an audit or an evaluation cannot be compared."""


class PrivacyError(JaxsynthError):
    """What was asked cannot be done under the privacy that was asked for."""


class BudgetError(PrivacyError):
    """A read of the private table would cost more than is left of the budget; nothing was read."""


class IdentifierWarning(UserWarning):
    """Columns that look like direct identifiers are not learned; says what happens to them on output."""


class TrainingWarning(UserWarning):
    """Training ended other than planned, for instance by Ctrl-C; says which parameters were kept."""


class ConditionWarning(UserWarning):
    """Rows satisfy the condition but follow its distribution coarsely; says how coarsely."""


class OutputWarning(UserWarning):
    """A damaged file of an earlier run was found and written anew; names it."""


class PrivacyWarning(UserWarning):
    """A guarantee is weaker than it may look, or void; says why."""
