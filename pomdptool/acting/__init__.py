"""Acting: agents, online planners, trajectories, and simulation of the expected return."""
