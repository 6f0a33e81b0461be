"""Learning models from data: expectation and maximisation, starts, selection."""
