"""Quality of a synthetic table: shapes, trends, detection, utility, rules; reads tables only."""

from jaxsynth.quality.result import ColumnScore as ColumnScore
from jaxsynth.quality.result import Marginal as Marginal
from jaxsynth.quality.result import PairScore as PairScore
from jaxsynth.quality.result import QualityReport as QualityReport
from jaxsynth.quality.result import Utility as Utility
from jaxsynth.quality.run import evaluate as evaluate
