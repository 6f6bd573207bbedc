"""Attacks on synthetic tables and screens for copying. Reads tables only; a generator is a black box here."""

from jaxsynth.audit.intervals import Interval as Interval
from jaxsynth.audit.releasable import ReleasableReport as ReleasableReport
from jaxsynth.audit.releasable import ReleasableResult as ReleasableResult
from jaxsynth.audit.releasable import releasable as releasable
from jaxsynth.audit.result import AuditReport as AuditReport
from jaxsynth.audit.result import AuditResult as AuditResult
from jaxsynth.audit.result import DistanceCurve as DistanceCurve
from jaxsynth.audit.result import GroupAudit as GroupAudit
from jaxsynth.audit.result import SelfTest as SelfTest
from jaxsynth.audit.result import VulnerableRecord as VulnerableRecord
from jaxsynth.audit.run import audit as audit
from jaxsynth.audit.verdict import Rule as Rule
from jaxsynth.audit.verdict import Verdict as Verdict
