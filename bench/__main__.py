"""`python -m bench full|quick|data|idle`."""

from __future__ import annotations

from bench.main import main

main()
