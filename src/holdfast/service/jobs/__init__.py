"""How any job is requested, run, cancelled and recovered, and what is reported of it."""
