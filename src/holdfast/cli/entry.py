"""The program's first step, before any other module of ours or anybody's is imported."""

from __future__ import annotations

import os

from holdfast.isolation import UMASK, leave_caller_folder


def main() -> None:
    """Run the program, with nothing taken from the caller's folder and nothing readable for others."""
    leave_caller_folder()
    os.umask(UMASK)
    from holdfast.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
