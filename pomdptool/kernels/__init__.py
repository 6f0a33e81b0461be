"""Numerical kernels: loops over arrays that the caller allocates. They know no project types.

`jit` runs them interpreted or compiled. The folders hold the kernels of the exact solvers, of
SARSOP, of hidden Markov models and of simulation.
"""
