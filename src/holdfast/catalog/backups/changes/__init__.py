"""Each change of a backup: one transaction that looks at the state it changes."""
