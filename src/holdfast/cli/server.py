"""`holdfast init`, `serve`, `demo`, `key export`."""

from __future__ import annotations

import fcntl
import json as json_module
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

from holdfast.cli.command_line.declared import Exit, Group, Option, WrongUse
from holdfast.cli.output import Json, fail, print_json
from holdfast.cli.state import operator, state

if TYPE_CHECKING:
    from holdfast.service.instance.home import Instance

key_app = Group()


def _origin(url: str | None) -> str | None:
    from holdfast.service.instance.config import is_origin

    if url and not is_origin(url):
        raise WrongUse(f"a URL like https://host or http://host:port, and not {url!r}")
    return url


def _time_zone(name: str | None) -> str | None:
    from holdfast.service.instance.config import is_time_zone

    if name and not is_time_zone(name):
        raise WrongUse(f"a name like Europe/Berlin, and not {name!r}")
    return name


BaseUrl = Annotated[
    str | None,
    Option("--base-url", convert=_origin, help="Where the API is reached, e.g. https://host.example."),
]
BackupsUrl = Annotated[
    str | None, Option("--backups-url", convert=_origin, help="Where downloads are reached, if elsewhere.")
]
_PORT_MAX = 65_535
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_READY_SECONDS = 60.0


def init(
    base_url: BaseUrl = None,
    backups_url: BackupsUrl = None,
    time_zone: Annotated[str | None, Option("--time-zone", convert=_time_zone, help="E.g. Europe/Berlin.")] = None,
    from_store: Annotated[
        Path | None,
        Option("--from-store", help="Bring an instance back on this machine: its store, or a copy of it."),
    ] = None,
    key: Annotated[
        Path | None,
        Option("--key", help="With --from-store: the file with the recovery sheet or its key; - for stdin."),
    ] = None,
    json: Json = False,
) -> None:
    """Make a new instance in the home folder, or one from a store and the recovery sheet."""
    if from_store is not None:
        from holdfast.cli.new_machine import init_from_store
        from holdfast.service.integrity.new_machine import Settings

        init_from_store(from_store, key, Settings(base_url, backups_url, time_zone), json=json)
        return
    if key is not None:
        raise WrongUse("--key belongs to --from-store; without it `init` makes a new master key")
    from holdfast.schemas.commands import NewInstance
    from holdfast.service.instance.home import KEY_NAME, KEY_VARIABLE, create_instance
    from holdfast.service.people.audit import Change, record

    instance = create_instance(state.home, base_url=base_url, backups_url=backups_url, time_zone=time_zone)
    fingerprint = instance.master_key.fingerprint
    record(instance, Change(operator(), "instance.created"))
    instance.close()
    if json:
        print_json(NewInstance(str(state.home), fingerprint))
        return
    key_file = state.home / KEY_NAME
    about_key = (
        f"Its master key is {key_file}."
        if key_file.exists()
        else f"Its master key is that of {KEY_VARIABLE}, in no file."
    )
    print(
        f"Made an instance in {state.home}.\n"
        f"{about_key} Without it nothing of the backups can be read:\n"
        "run `holdfast key export` now, and keep the sheet away from this machine."
    )


@key_app.command("export")
def export(json: Json = False) -> None:
    """Print the recovery sheet with the master key."""
    from holdfast.schemas.commands import MasterKey
    from holdfast.service.instance.recovery_sheet import note_key_exported, recovery_sheet

    with state.instance() as instance:
        if json:
            print_json(MasterKey(instance.master_key.fingerprint, instance.master_key.hex()))
        else:
            print(recovery_sheet(instance), end="")
        sys.stdout.flush()  # what could not be printed was not exported
        note_key_exported(instance, operator())


def serve(
    host: Annotated[str, Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None,
        Option("--port", min=0, max=_PORT_MAX, help="Port to listen on (default: that of base_url)."),
    ] = None,
    base_url: BaseUrl = None,
    backups_url: BackupsUrl = None,
) -> None:
    """Serve the API and downloads, and run the jobs, until Ctrl-C."""
    from holdfast.service.instance.recovery_sheet import KEY_NEVER_EXPORTED, key_exported_at

    def announce(instance: Instance, port: int) -> None:
        print(f"Holdfast serves {instance.config.base_url} (listening on {host}:{port}). Ctrl-C stops it.", flush=True)
        if key_exported_at(instance) is None:
            print(f"Warning: {KEY_NEVER_EXPORTED}", flush=True)

    run_server(host, port, base_url, backups_url, announce)


def demo(
    port: Annotated[int, Option("--port", min=1, max=_PORT_MAX, help="Port to listen on.")] = 8420,
) -> None:
    """Make a demo instance in the home folder, or reuse it; take backups, show how to get them, and serve."""
    from holdfast.cli.demo import Demo

    demonstration = Demo(state.home, port)
    try:
        # What the demo prints is to be read; a line per request would stand between.
        os.environ.setdefault("HOLDFAST_LOG_LEVEL", "error")
        os.environ.setdefault("HOLDFAST_LOG_FORMAT", "text")
        run_server("127.0.0.1", port, f"http://127.0.0.1:{port}", None, demonstration.show)
    finally:
        demonstration.close()


def run_server(
    host: str,
    port: int | None,
    base_url: str | None,
    backups_url: str | None,
    on_ready: Callable[[Instance, int], None],
) -> None:
    """Serve the instance of the chosen home; `on_ready` is called on a thread of its own once requests are answered."""
    import threading

    from holdfast.service.instance.capacity import raise_open_files
    from holdfast.service.instance.home import close_to_others
    from holdfast.service.instance.logs import configure_logs
    from holdfast.service.instance.reserve import keep_reserve
    from holdfast.web.server import ServerError, run
    from holdfast.worker.supervisor import WatchedJobs

    port = _settle(host, port, base_url, backups_url)
    raise_open_files()
    close_to_others(state.home)
    keep_reserve(state.home)
    with state.instance() as instance, _only_one(instance):
        instance.node_lease.hold()
        configure_logs("web", instance.config.log_level, instance.config.log_format)
        watched = WatchedJobs(state.home, logging.getLogger("holdfast.worker.supervisor").error)
        _check_port(host, port)
        watched.start()
        try:
            if not watched.wait_ready(_READY_SECONDS):
                raise Exit(fail("JOBS", "The jobs' process does not start; its messages above say why."))

            def ready(port: int) -> None:
                _write_server_file(instance, host, port)
                threading.Thread(target=on_ready, args=(instance, port), daemon=True).start()

            run(instance, host, port, ready)
        except ServerError as error:
            raise Exit(fail("SERVER", str(error))) from None
        finally:
            watched.stop()
            with suppress(FileNotFoundError):
                (instance.run / "server.json").unlink()


def _settle(host: str, port: int | None, base_url: str | None, backups_url: str | None) -> int:
    """Choose the port, and tell this process and the jobs' process (by the environment) which URLs hold."""
    from holdfast.service.instance.config import DEFAULT_PORT, read_config
    from holdfast.service.instance.home import check_format

    check_format(state.home)
    if base_url is not None:
        os.environ["HOLDFAST_BASE_URL"] = base_url
    if backups_url is not None:
        os.environ["HOLDFAST_BACKUPS_URL"] = backups_url
    config = read_config(state.home)
    parts = urlsplit(config.base_url)
    if port == 0:
        with socket.create_server((host, 0)) as probe:
            port = probe.getsockname()[1]
    if port is None:
        return parts.port or DEFAULT_PORT
    if base_url is None and parts.hostname in _LOOPBACK and parts.port != port:
        os.environ["HOLDFAST_BASE_URL"] = f"{parts.scheme}://{parts.hostname}:{port}"
    return port


def _check_port(host: str, port: int) -> None:
    """Find out that the port is in use before anything is started."""
    from holdfast.web.server import ServerError, listen

    try:
        for opened in listen(host, port):
            opened.close()
    except ServerError as error:
        raise Exit(fail("PORT_IN_USE", str(error))) from None


@contextmanager
def _only_one(instance: Instance) -> Iterator[None]:
    """Hold the home for this server; a second one is refused."""
    from holdfast.service.instance.file_locks import SERVE_LOCK

    if instance.catalog.read_only_because:
        raise Exit(fail("CATALOG", instance.catalog.read_only_because))
    home = instance.home
    fd = os.open(home / "run" / f"{SERVE_LOCK}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"Another `holdfast serve` runs on {home} already; stop it first, or choose another --home."
            raise Exit(fail("ALREADY_SERVED", message)) from None
        yield
    finally:
        os.close(fd)


def _write_server_file(instance: Instance, host: str, port: int) -> None:
    """Record the server's address for scripts and other commands."""
    about = {"pid": os.getpid(), "host": host, "port": port, "base_url": instance.config.base_url}
    path = instance.run / "server.json"
    fresh = path.with_suffix(".new")
    fresh.write_text(json_module.dumps(about) + "\n")
    fresh.replace(path)
