"""Kernels of the exact solvers: backups, vertex enumeration, pruning and policy evaluation."""
