"""Tables <-> the smallest arrays that hold them: codes, and positions inside codes. NumPy and Arrow only."""

from jaxsynth.codec.layout import Allowed as Allowed
from jaxsynth.codec.layout import CodeSpec as CodeSpec
from jaxsynth.codec.layout import Encoded as Encoded
from jaxsynth.codec.table import Codec as Codec
