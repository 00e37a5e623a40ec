"""`python -m bench full|quick`."""

from __future__ import annotations

from bench.main import main

main()
