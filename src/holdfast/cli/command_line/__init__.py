"""The command line: how commands are declared, what their words mean, and how they are explained."""
