"""Learning POMDPs from data: the EM algorithm, its initialisation, and model selection."""
