"""What networks do with their parameters, in forms that tell the gradient of every example.

A parameter is an array, or a `Watched` one. The maps compute the same either way; of a watched parameter they also
leave on its tape what the parameter met. From that and from the gradients by what came out, which one backward
pass gives for all examples, follow the norm of each example's gradient and any weighted sum of them, without a
gradient for each example ("ghost clipping", Li et al. 2022, section 4; "book-keeping", Bu et al. 2022).

A network that can be trained privately touches its parameters by these maps alone. Anything else done to a watched
parameter is an error, of which `privacy.ghost` makes a `WatchError`.
"""

from jaxsynth.affine.maps import added as added
from jaxsynth.affine.maps import by_column as by_column
from jaxsynth.affine.maps import by_row as by_row
from jaxsynth.affine.maps import dense as dense
from jaxsynth.affine.maps import dense_last as dense_last
from jaxsynth.affine.maps import lookup as lookup
from jaxsynth.affine.maps import masked as masked
from jaxsynth.affine.maps import mixed as mixed
from jaxsynth.affine.maps import offset as offset
from jaxsynth.affine.maps import scaled as scaled
from jaxsynth.affine.maps import shifted as shifted
from jaxsynth.affine.tape import Param as Param
from jaxsynth.affine.tape import Tape as Tape
from jaxsynth.affine.tape import Watched as Watched
from jaxsynth.affine.tape import WatchError as WatchError
from jaxsynth.affine.tape import plain as plain
from jaxsynth.affine.tape import watched as watched
from jaxsynth.affine.uses import Blocks as Blocks
from jaxsynth.affine.uses import Use as Use
from jaxsynth.affine.uses import along as along
