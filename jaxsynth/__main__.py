"""`python -m jaxsynth`."""

from jaxsynth.cli import main

main()
