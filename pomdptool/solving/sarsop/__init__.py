"""SARSOP: anytime point-based value iteration with certified bounds."""
