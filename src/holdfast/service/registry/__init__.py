"""What there is: accounts, applications, backups, databases, and how they are named and linked."""
