"""Policies to text and back: JSON, .alpha, .pg, DOT and APPL's .policy."""
