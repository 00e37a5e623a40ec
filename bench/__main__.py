"""`python -m bench full|quick|data|idle|upgrade|dashboard|growth|growth-quick`."""

from __future__ import annotations

from bench.main import main

main()
