"""`python -m bench full|quick|data|idle|upgrade|dashboard`."""

from __future__ import annotations

from bench.main import main

main()
