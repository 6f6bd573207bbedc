"""What a table is: columns, rules between them, how they are read off data, which ones identify people."""

from jaxsynth.schema.column import Column as Column
from jaxsynth.schema.column import Kind as Kind
from jaxsynth.schema.column import Level as Level
from jaxsynth.schema.constraints import Constraint as Constraint
from jaxsynth.schema.constraints import FixedSum as FixedSum
from jaxsynth.schema.constraints import FunctionalDependency as FunctionalDependency
from jaxsynth.schema.constraints import Implication as Implication
from jaxsynth.schema.constraints import Inequality as Inequality
from jaxsynth.schema.schema import Schema as Schema
