"""Solvers: a Model in, a Solution out. They never print; progress goes to `on_step`."""
