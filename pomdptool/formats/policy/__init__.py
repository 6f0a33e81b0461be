"""Policy files: JSON, .alpha, .pg, DOT and APPL's .policy."""
