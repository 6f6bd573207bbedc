"""Exact nearest neighbours between two tables of mixed columns: the Arrow side of the compiled search.

The distance is Gower's (1971), as a weighted sum over the modelled columns rather than a mean, so that a
column's weight means the same whatever the other columns are:

* numbers, dates, times and durations: `weight * |a - b| / width`, width being that of the schema's bounds;
* categories, ordinals, booleans, and numbers whose width is zero or unknown: `weight` where the cells differ;
* null against null costs 0, null against a value costs `weight`.
"""

from jaxsynth.neighbours.cells import Cells as Cells
from jaxsynth.neighbours.cells import read_cells as read_cells
from jaxsynth.neighbours.cells import stacked as stacked
from jaxsynth.neighbours.search import EqualRows as EqualRows
from jaxsynth.neighbours.search import Index as Index
from jaxsynth.neighbours.search import Neighbours as Neighbours
from jaxsynth.neighbours.search import search as search
from jaxsynth.neighbours.search import search_each as search_each
from jaxsynth.neighbours.tables import equal_rows as equal_rows
from jaxsynth.neighbours.tables import neighbours as neighbours
from jaxsynth.neighbours.tables import neighbours_within as neighbours_within
