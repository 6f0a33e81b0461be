"""Kernels of hidden Markov models with actions: the E-step, likelihoods and decoding."""
