"""The registry of accounts, applications, backups, databases, and how they are named and linked."""
