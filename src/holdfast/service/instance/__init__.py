"""The instance that every operation needs: the home folder, configuration, clock, locks, logs and disks."""
