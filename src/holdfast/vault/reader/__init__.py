"""A backup opened for reading: its records, its files, what differs from another."""
