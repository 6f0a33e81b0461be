"""Kernels of SARSOP: the belief graph, its bounds and the trials."""
