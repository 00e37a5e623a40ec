"""Whether backups are good: check, verify, test restores, reconciling and rebuilding the catalog."""
