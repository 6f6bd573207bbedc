"""Other projects' generators, run in an environment of their own; nothing here imports jaxsynth."""
