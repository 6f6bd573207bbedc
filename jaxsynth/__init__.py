"""Synthetic health data: compiled generators, Arrow streaming, exact memorisation audits.

import jaxsynth as js

synth = js.fit("cohort.parquet", js.Autoregressive(), seed=0)
synth.write("synthetic.parquet", rows=1_000_000, seed=1)
"""

from importlib import import_module as _import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING

from jaxsynth import datasets as datasets
from jaxsynth.audit import AuditReport as AuditReport
from jaxsynth.audit import audit as audit
from jaxsynth.audit import releasable as releasable
from jaxsynth.devices import use_all_cores as use_all_cores
from jaxsynth.errors import JaxsynthError as JaxsynthError
from jaxsynth.fitting import fit as fit
from jaxsynth.fitting_many import fit_many as fit_many
from jaxsynth.models import GAN as GAN
from jaxsynth.models import VAE as VAE
from jaxsynth.models import Autoregressive as Autoregressive
from jaxsynth.models import Diffusion as Diffusion
from jaxsynth.neighbours import equal_rows as equal_rows
from jaxsynth.neighbours import neighbours as neighbours
from jaxsynth.neighbours import neighbours_within as neighbours_within
from jaxsynth.privacy import Certificate as Certificate
from jaxsynth.privacy import Privacy as Privacy
from jaxsynth.quality import QualityReport as QualityReport
from jaxsynth.quality import evaluate as evaluate
from jaxsynth.report import report as report
from jaxsynth.sample import Manifest as Manifest
from jaxsynth.sample import between as between
from jaxsynth.schema import Column as Column
from jaxsynth.schema import FixedSum as FixedSum
from jaxsynth.schema import FunctionalDependency as FunctionalDependency
from jaxsynth.schema import Implication as Implication
from jaxsynth.schema import Inequality as Inequality
from jaxsynth.schema import Schema as Schema
from jaxsynth.shadows import ShadowReleases as ShadowReleases
from jaxsynth.shadows import shadows as shadows
from jaxsynth.synthesizer import Synthesizer as Synthesizer
from jaxsynth.synthesizer import load as load
from jaxsynth.tables import nan_to_null as nan_to_null

if TYPE_CHECKING:
    from jaxsynth import ray as ray
else:

    def __getattr__(name: str) -> object:
        """`ray`, an optional extra that takes seconds to import, once it is asked for."""
        if name == "ray":
            return _import_module("jaxsynth.ray")
        raise AttributeError(f"module 'jaxsynth' has no attribute {name!r}")


__version__ = _version("jaxsynth")
