"""Kernels that simulate models: episodes of agents, and POMCP's search."""
