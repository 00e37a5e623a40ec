"""The host's side as it is shown: its keys, and what it has under its own ids."""
