"""Models whose state is observed: MDPs."""
