"""One file a claim. Each states in its docstring what it expects, on which machine, and when it was measured."""
