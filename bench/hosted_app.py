"""Dataset *b*: the folder of a hosted application: node modules, a Python app's site-packages, media.

Packages come from their own registries by their own clients, as they were on one day, without running any script of
theirs. Media are pictures and music of Debian packages.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

from bench.debian import fetch_package, unpack_package
from bench.shell import run_quietly
from bench.workplace import CHECKOUT, Workplace

AS_OF = "2026-11-01"
"""Registries are read as they were on that day, so that every run gets the same versions."""

NODE_PACKAGES = (
    "@mui/icons-material",
    "@mui/material",
    "date-fns",
    "discord.js",
    "eslint",
    "express",
    "jest",
    "lodash",
    "mongoose",
    "next",
    "prisma",
    "react",
    "react-dom",
    "rxjs",
    "three",
    "typeorm",
    "typescript",
    "vite",
    "webpack",
)
PYTHON_PACKAGES = (
    "celery",
    "django",
    "fastapi",
    "matplotlib",
    "numpy",
    "pandas",
    "pillow",
    "requests",
    "scipy",
    "sqlalchemy",
    "uvicorn",
)
MEDIA_PACKAGES = ("mate-backgrounds", "plasma-workspace-wallpapers", "wesnoth-1.16-music")


def make_hosted_app(place: Workplace, folder: Path) -> None:
    """Fill the empty `folder` with about 105,000 files, 1.4 GB."""
    _install_node_packages(place, folder)
    _install_python_packages(place, folder)
    for name in MEDIA_PACKAGES:
        unpack_package(fetch_package(place.downloads, name), folder / "media")


def _install_node_packages(place: Workplace, folder: Path) -> None:
    if shutil.which("npm") is None:
        raise SystemExit("The benchmark's dataset b needs npm (Debian: apt-get install npm).")
    package = {
        "name": "hosted-app",
        "version": "1.0.0",
        "private": True,
        "dependencies": dict.fromkeys(NODE_PACKAGES, "*"),
    }
    (folder / "package.json").write_text(json.dumps(package, indent=2))
    command = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--before", AS_OF]
    run_quietly([*command, "--cache", str(place.caches / "npm")], cwd=folder)


def _install_python_packages(place: Workplace, folder: Path) -> None:
    uv = CHECKOUT / ".venv-tool" / "bin" / "uv"
    command = [str(uv), "pip", "install", "--python", str(CHECKOUT / ".venv" / "bin" / "python")]
    command += ["--exclude-newer", AS_OF, "--only-binary", ":all:", "--link-mode", "copy"]
    command += ["--cache-dir", str(place.caches / "uv"), "--target", str(folder / "site-packages")]
    run_quietly([*command, *PYTHON_PACKAGES])
    subprocess.run(["find", str(folder), "-name", ".lock", "-size", "0", "-delete"], check=True)
