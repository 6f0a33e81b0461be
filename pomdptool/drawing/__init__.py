"""Figures of value functions, policy graphs, convergence and beliefs; matplotlib is lazy."""
