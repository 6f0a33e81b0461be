"""Solvers for MDPs and for models whose observations reveal the state."""
