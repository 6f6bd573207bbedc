"""Sampling on a Ray cluster: rows as a Ray Data dataset, or as the files that `Synthesizer.write` writes.

Every machine of the cluster needs jaxsynth, in the versions of the others. `pip install 'jaxsynth[ray]'`.
"""

from jaxsynth.errors import JaxsynthError

try:
    import ray.data as _ray_data
except ImportError as error:
    raise JaxsynthError(f"js.ray needs Ray Data ({error}); pip install 'jaxsynth[ray]'") from error

from jaxsynth.ray.dataset import dataset as dataset
from jaxsynth.ray.write import write as write

del _ray_data
