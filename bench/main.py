"""`python -m bench full|quick|data`: the benchmark's commands."""

from __future__ import annotations

import argparse

from bench.datasets import make_datasets
from bench.workplace import Workplace


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("form", choices=["full", "quick", "data"], help="data: only make the datasets of both forms")
    arguments = parser.parse_args()
    place = Workplace.of_checkout()
    if arguments.form == "data":
        make_datasets(place, "full", print)
        make_datasets(place, "quick", print)
