"""Pictures of values, policies, progress and beliefs; matplotlib is imported when one is drawn."""
