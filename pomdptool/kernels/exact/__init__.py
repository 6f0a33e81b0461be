"""Kernels of the exact solvers: backups, vertex enumeration, pruning, policy evaluation."""
