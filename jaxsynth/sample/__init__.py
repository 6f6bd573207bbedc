"""Device draws -> Arrow batches -> files."""

from jaxsynth.sample.blocks import BlockSampler as BlockSampler
from jaxsynth.sample.condition import Between as Between
from jaxsynth.sample.condition import Where as Where
from jaxsynth.sample.condition import between as between
from jaxsynth.sample.condition import parse_where as parse_where
from jaxsynth.sample.receipts import File as File
from jaxsynth.sample.receipts import Manifest as Manifest
