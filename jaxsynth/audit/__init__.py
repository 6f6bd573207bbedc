"""Copying screens for synthetic tables. Reads tables only; a generator is a black box here."""

from jaxsynth.audit.intervals import Interval as Interval
from jaxsynth.audit.result import AuditReport as AuditReport
from jaxsynth.audit.result import AuditResult as AuditResult
from jaxsynth.audit.result import DistanceCurve as DistanceCurve
from jaxsynth.audit.run import audit as audit
from jaxsynth.audit.verdict import Rule as Rule
from jaxsynth.audit.verdict import Verdict as Verdict
