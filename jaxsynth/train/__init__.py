"""Compiled training, written once for every model, and the model file."""

from jaxsynth.train.artefact import Artefact as Artefact
from jaxsynth.train.artefact import library_versions as library_versions
from jaxsynth.train.course import History as History
from jaxsynth.train.loop import train as train
