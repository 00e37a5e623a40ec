"""Downloading a whole backup: holdfast over HTTP on loopback, nginx with the same zip as a file, restic's own zip.

The client is curl for both servers, writing to nowhere. Each file is tested once with `unzip -tq` or `gzip -t` before
it is timed.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.book import Book
from bench.holdfast import HoldfastApi
from bench.measure import MeasuredCommandFailed, MemoryWatch, memory_of
from bench.peers import NotAvailable, Peer
from bench.shell import run_quietly
from bench.tools import Borg, Restic

START_SECONDS_MAX = 10.0
Say = Callable[[str], None]

NGINX_CONFIGURATION = """\
{user}daemon off;
worker_processes 1;
pid {run}/nginx.pid;
error_log {run}/nginx-error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {run}/tmp;
    proxy_temp_path {run}/tmp;
    fastcgi_temp_path {run}/tmp;
    uwsgi_temp_path {run}/tmp;
    scgi_temp_path {run}/tmp;
    server {{ listen 127.0.0.1:{port}; root {run}; }}
}}
"""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One download: seconds until the first byte and the last, and how many bytes came."""

    first_byte: float
    seconds: float
    size: int


def compare_downloads(
    dataset: str,
    api: HoldfastApi,
    nginx: Peer,
    others: Sequence[Restic | Borg],
    run: Path,
    turns: int,
    book: Book,
    say: Say,
) -> None:
    """Measure downloads of the newest backup of `api`, and of the others' newest."""
    server = api.restart()
    newest = server.newest()
    zip_url = str(newest["url"])
    tar_url = zip_url.replace(".zip?", ".tar.gz?")
    shelf = run / "nginx"
    (shelf / "tmp").mkdir(parents=True, exist_ok=True)
    copy = shelf / "backup.zip"

    idle = memory_of(server.processes)
    for url, work in ((zip_url, "download zip"), (tar_url, "download tar.gz")):
        with MemoryWatch(server.processes) as watch:
            first = fetch(url)
        book.note(work, dataset, "holdfast", "peak", max(0, watch.peak_bytes - idle))
        book.note(f"{work}, after a start", dataset, "holdfast", "first_byte", first.first_byte)
    fetch(zip_url, copy)
    run_quietly(["unzip", "-tq", str(copy)])
    if copy.stat().st_size != newest["size"]:
        raise MeasuredCommandFailed(f"The zip of {dataset} has another size than the API says.")
    tar = shelf / "backup.tar.gz"
    fetch(tar_url, tar)
    run_quietly(["gzip", "-t", str(tar)])
    tar.unlink()

    with _Nginx(nginx, shelf) as nginx_url:
        for _ in range(turns):
            _timed("download zip", dataset, "holdfast", zip_url, book, say)
            if nginx_url is not None:
                _timed("download zip", dataset, "nginx", f"{nginx_url}/backup.zip", book, say)
            _timed("download tar.gz", dataset, "holdfast", tar_url, book, say)
    copy.unlink()
    for tool in others:
        work = "download zip" if isinstance(tool, Restic) else "export tar"
        measured = tool.dump_zip() if isinstance(tool, Restic) else tool.export_tar()
        book.note(work, dataset, tool.name, "seconds", measured.seconds)
        book.note(work, dataset, tool.name, "peak", measured.peak_bytes)
        say(f"  {dataset} {work}, {tool.name}: {measured.seconds:.2f} s")


def fetch(url: str, output: Path = Path(os.devnull)) -> Fetched:
    """Return one download by curl, to nowhere unless `output` is given. Raises CalledProcessError."""
    shown = "%{time_starttransfer} %{time_total} %{size_download}"
    first, total, size = run_quietly(["curl", "-sSf", "-o", str(output), "-w", shown, url]).split()
    return Fetched(float(first), float(total), int(size))


def _timed(work: str, dataset: str, tool: str, url: str, book: Book, say: Say) -> None:
    fetched = fetch(url)
    book.note(work, dataset, tool, "seconds", fetched.seconds)
    book.note(work, dataset, tool, "first_byte", fetched.first_byte)
    book.note(work, dataset, tool, "bytes", fetched.size)
    rate = fetched.size / fetched.seconds / 1e6
    first = fetched.first_byte * 1000
    say(f"  {dataset} {work}, {tool}: {fetched.seconds:.2f} s, {rate:,.0f} MB/s, first byte {first:.1f} ms")


class _Nginx:
    """nginx with `sendfile` on a folder; gives its URL, or None without nginx."""

    def __init__(self, nginx: Peer, folder: Path) -> None:
        self._nginx = nginx
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> str | None:
        if isinstance(self._nginx, NotAvailable):
            return None
        with socket.socket() as chosen:
            chosen.bind(("127.0.0.1", 0))
            port = chosen.getsockname()[1]
        configuration = self._folder / "nginx.conf"
        user = "user root root;\n" if os.geteuid() == 0 else ""
        configuration.write_text(NGINX_CONFIGURATION.format(run=self._folder, port=port, user=user))
        command = [self._nginx.path, "-p", str(self._folder), "-c", str(configuration)]
        self._process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        until = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < until:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.05)
            else:
                return f"http://127.0.0.1:{port}"
        self.__exit__()
        raise MeasuredCommandFailed(f"nginx did not start; see {self._folder}/nginx-error.log")

    def __exit__(self, *_: object) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait()
