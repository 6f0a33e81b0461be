"""Problem families: models of any size from their published definitions."""
