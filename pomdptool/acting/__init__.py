"""Agent: trajectories of policies and planners, and what they earn."""
