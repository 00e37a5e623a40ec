"""Floor 7. The operator's commands. They only translate: arguments to an operation, its result to text or JSON.

Nothing heavy is imported before a command needs it, so that `holdfast --help` answers at once.
"""
