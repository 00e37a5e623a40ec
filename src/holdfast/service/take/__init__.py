"""Taking a backup: the source, the run, hooks, ignore patterns, imports, schedules, the log."""
