"""Floor 7. The operator's commands. They only translate: arguments to an operation, its result to text or JSON.

Terms
-----
*Command*: one module, registered in `main.py`. *State*: the chosen home and its instance, shared by all commands.
*Output*: text for people, or with `--json` the object that the API shows. *Bar*: the progress of an operation, on
standard error where that is a terminal.

Nothing heavy is imported before a command needs it, so that `holdfast --help` answers at once.
"""
