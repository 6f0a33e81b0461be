"""Loops over arrays: the caller allocates, the kernel fills. No project types."""
