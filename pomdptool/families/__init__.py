"""Families of problems: each module makes Models of any size from the published definition."""
