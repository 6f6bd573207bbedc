"""Differential privacy: what may be read, at what cost, and the certificate that says so."""

from jaxsynth.privacy.certificate import Certificate as Certificate
from jaxsynth.privacy.ledger import Ledger as Ledger
from jaxsynth.privacy.plan import Plan as Plan
from jaxsynth.privacy.settings import Privacy as Privacy
