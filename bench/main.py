"""`python -m bench full|quick|data|idle|upgrade|dashboard`: the benchmark from its datasets to its report.

full: everything, about half an hour; writes docs/performance.md. quick: small data, under three minutes once the
datasets are made; only prints, for its figures do not measure the targets. data: only makes the datasets of both.
idle: what a server takes when nothing is asked of it, and how soon it begins a backup; two minutes, only prints, and
fails when a target is missed. upgrade: how long a newer program takes to bring an older catalog of a million backups up
to date, on SQLite and PostgreSQL; four minutes, only prints, and fails as idle does. dashboard: what pages cost with a
million backups in the catalog; two minutes, only prints, and fails as idle does.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import bot_database
from bench.book import Book
from bench.daily import measure_daily
from bench.dashboard import measure_dashboard
from bench.datasets import DATABASE_NAME, Datasets, make_datasets
from bench.downloads import compare_downloads
from bench.growth import measure_growth
from bench.holdfast import HoldfastApi, HoldfastCommand, warm_up
from bench.idle import measure_idle
from bench.listing import measure_listing
from bench.machine import facts
from bench.measure import MeasuredCommandFailed
from bench.mutate import change_big_files, change_tree
from bench.peers import NotAvailable, Peers, find_peers
from bench.report import report, write_between_markers
from bench.restores import compare_restores
from bench.takes import Change, Plan, compare_takes, working_copy
from bench.tools import Borg, Restic, TarPigz, Tool, ToolMissing
from bench.upgrade import measure_upgrade
from bench.workplace import CHECKOUT, Size, Workplace

PAGE = CHECKOUT / "docs" / "performance.md"
QUICK_REMARK = (
    "The quick form's data is so small that starting a program weighs more than the work: compare it with earlier "
    "quick runs; only the full form tells whether a target is reached."
)
DATASETS = ("a", "b", "c", "d")


@dataclass(frozen=True, slots=True)
class Extent:
    """The extent of the benchmark in one of its forms."""

    turns: int
    listed_backups: int
    daily_runs: int
    tar_every_time: bool
    peers: tuple[type[Restic] | type[Borg] | type[TarPigz], ...]


FORMS = ("full", "quick", "data", "idle", "upgrade", "dashboard", "growth", "growth-quick")
EXTENTS: dict[Size, Extent] = {
    "full": Extent(
        turns=3, listed_backups=1_000_000, daily_runs=1_000, tar_every_time=True, peers=(Restic, Borg, TarPigz)
    ),
    "quick": Extent(turns=1, listed_backups=100_000, daily_runs=40, tar_every_time=False, peers=(Restic, TarPigz)),
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "form",
        choices=FORMS,
        help="what to do",
    )
    parser.add_argument("--only", help="parts to run, e.g. --only a,list; of growth: backups, apps, files")
    arguments = parser.parse_args()
    place = Workplace.of_checkout()
    if arguments.form == "data":
        make_datasets(place, "full", _say)
        make_datasets(place, "quick", _say)
        return
    if arguments.form == "idle":
        sys.exit(0 if measure_idle(place.fresh_run(), _say) else 1)
    if arguments.form == "upgrade":
        sys.exit(0 if measure_upgrade(place.fresh_run(), _say) else 1)
    if arguments.form == "dashboard":
        sys.exit(0 if measure_dashboard(place.fresh_run(), _say) else 1)
    if arguments.form in ("growth", "growth-quick"):
        size: Size = "quick" if arguments.form == "growth-quick" else "full"
        only = (arguments.only or "backups,apps,files").split(",")
        sys.exit(0 if measure_growth(place.fresh_run(), size, only, _say) else 1)
    sys.exit(run(place, arguments.form, (arguments.only or "a,b,c,d,list,daily").split(",")))


def run(place: Workplace, form: Size, only: Sequence[str]) -> int:
    """Return the benchmark; the exit code is 1 when a part of it failed."""
    extent = EXTENTS[form]
    datasets = make_datasets(place, form, _say)
    _say("the programs to compare with:")
    peers = find_peers(place, _say)
    folder = place.fresh_run()
    book = Book()
    known = facts(folder, peers, form)
    if form == "quick":
        book.remarks.append(QUICK_REMARK)
    warm_up(folder)
    parts: list[tuple[str, Callable[[], None]]] = [
        (name, _dataset_part(name, datasets, peers, folder, extent, book)) for name in DATASETS
    ]
    parts.append(("list", lambda: measure_listing(extent.listed_backups, peers.wrk, folder, book, _say)))
    parts.append(("daily", lambda: measure_daily(extent.daily_runs, folder, book, _say)))
    failed = False
    for name, part in parts:
        if name in only:
            _say(f"{name}:")
            try:
                part()
            except (MeasuredCommandFailed, subprocess.CalledProcessError, OSError) as error:
                failed = True
                book.remarks.append(f"{name} was not measured to its end: {error}")
                _say(book.remarks[-1])
    shutil.rmtree(folder, ignore_errors=True)
    book.write(place.root / f"values-{form}.json")
    text = report(book, known)
    (place.root / f"report-{form}.md").write_text(text)
    print(f"\n{text}")
    if form == "full" and not failed and set(only) >= {*DATASETS, "list", "daily"}:
        write_between_markers(PAGE, text)
        _say(f"written to {PAGE}")
    return int(failed)


def _dataset_part(
    name: str, datasets: Datasets, peers: Peers, run: Path, extent: Extent, book: Book
) -> Callable[[], None]:
    def part() -> None:
        folder = working_copy(getattr(datasets, name), run / name)
        plan = Plan(name, folder, _changes(name, datasets, folder, extent), extent.turns)
        api, command = HoldfastApi(run), HoldfastCommand(run)
        peer_tools = _peer_tools(extent.peers, peers, run, book)
        tools: list[Tool] = [api, command, *peer_tools]
        only_first: list[Tool] = [HoldfastCommand(run, "balanced")] if name != "d" else []
        if not extent.tar_every_time:
            only_first += [tool for tool in peer_tools if isinstance(tool, TarPigz)]
            tools = [tool for tool in tools if tool not in only_first]
        try:
            compare_takes(plan, tools, only_first, book, _say)
            readers = [tool for tool in peer_tools if isinstance(tool, Restic | Borg)]
            compare_restores(name, folder, [command, *readers], run, extent.turns, book, _say)
            compare_downloads(name, api, peers.nginx, readers, run, extent.turns, book, _say)
        finally:
            for tool in (*tools, *only_first):
                tool.end()
            shutil.rmtree(folder, ignore_errors=True)

    return part


def _peer_tools(
    kinds: Sequence[type[Restic] | type[Borg] | type[TarPigz]], peers: Peers, run: Path, book: Book
) -> list[Restic | Borg | TarPigz]:
    tools: list[Restic | Borg | TarPigz] = []
    for kind in kinds:
        try:
            tools.append(kind(peers, run))
        except ToolMissing as error:
            remark = f"{kind.name} is not available: {error}"
            if remark not in book.remarks:
                book.remarks.append(remark)
    if isinstance(peers.nginx, NotAvailable) and peers.nginx.reason not in book.remarks:
        book.remarks.append(peers.nginx.reason)
    return tools


def _changes(name: str, datasets: Datasets, folder: Path, extent: Extent) -> list[Change]:
    """Return the changes of a dataset, in their order."""
    database = folder / DATABASE_NAME

    def newest(turn: int) -> None:
        if turn == 0:
            shutil.copyfile(datasets.cs / DATABASE_NAME, database)
        else:
            bot_database.change_newest(database, day=turn)

    if name == "c":
        uniformly = Change("cu", lambda turn: _copy_over(datasets.cu / DATABASE_NAME, database), 1)
        return [Change("cs", newest, extent.turns), uniformly]
    if name == "d":
        return [Change("changed", lambda turn: change_big_files(folder, seed=turn + 1), extent.turns)]
    return [Change("changed", lambda turn: _change_tree(folder, turn), extent.turns)]


def _copy_over(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)


def _change_tree(folder: Path, turn: int) -> None:
    change_tree(folder, seed=turn + 1)


def _say(text: str) -> None:
    print(text, flush=True)
