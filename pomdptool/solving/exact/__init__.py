"""Exact value iteration."""
