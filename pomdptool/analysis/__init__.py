"""Analysis: policy evaluation, transfer of policies between models, and comparison of models."""
