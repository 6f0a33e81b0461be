"""The anytime solver: point-based value iteration with certified bounds."""
