"""Readers and writers of models, policies, data and reports: a module or folder per format."""
