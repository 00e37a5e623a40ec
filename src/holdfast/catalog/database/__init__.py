"""The database itself: the engine, its tables and migrations, its health, and leases."""
