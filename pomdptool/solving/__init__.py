"""Solvers: a Model in, a Solution out. Solvers do not print; progress is passed to `on_step`."""
