"""Makes the dashboard's font and icons from packages of PyPI, when the package is built or installed.

Geist (OFL-1.1) is cut down to the letters of the languages that are written in Latin script, and the icons that the
templates name are taken out of Lucide's (ISC) into one file. The versions are pinned in pyproject.toml, so the same
bytes come out everywhere: `tests/web/dashboard/test_assets.py` has the font's sum.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import distribution
from importlib.util import find_spec
from pathlib import Path

FOLDER = Path("src/holdfast/web/dashboard/built")
TEMPLATES = Path("src/holdfast/web/dashboard")

LETTERS = "U+0020-017F,U+2010-2027,U+2030-203A,U+20AC,U+2190-2193,U+2212,U+00D7,U+2248,U+2260,U+2264,U+2265"
"""Latin with its extensions, and the punctuation, arrows and signs that sentences and charts use."""

_ICON = re.compile(r"""\bicon\(['"]([a-z0-9-]+)['"]""")
_NAMED = re.compile(r"""^ICONS = frozenset\((.*?)\)$""", re.DOTALL | re.MULTILINE)
_DRAWING = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


def make_assets(root: Path) -> None:
    """Write the font, the icons and their licences."""
    folder = root / FOLDER
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    _make_font(folder)
    _make_icons(folder, _icon_names(root / TEMPLATES))


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise SystemExit(f"The package {name} is needed to build Holdfast; see [build-system] in pyproject.toml.")
    return Path(spec.origin).parent


def _make_font(folder: Path) -> None:
    package = _package("fontpkg_geist")
    subprocess.run(
        [
            *(sys.executable, "-m", "fontTools.subset", str(package / "files" / "Geist[wght].ttf")),
            *(f"--unicodes={LETTERS}", "--layout-features=*", "--flavor=woff2"),
            f"--output-file={folder / 'geist.woff2'}",
        ],
        check=True,
    )
    shutil.copyfile(package / "LICENSE", folder / "geist-LICENSE.txt")


def _icon_names(folder: Path) -> list[str]:
    """The icons that templates draw by `icon('name')`, and those that code chooses, from its lists `ICONS`."""
    names = {name for path in folder.rglob("*.html") for name in _ICON.findall(path.read_text())}
    for path in folder.rglob("*.py"):
        for listed in _NAMED.findall(path.read_text()):
            names.update(re.findall(r'"([a-z0-9-]+)"', listed))
    return sorted(names)


def _make_icons(folder: Path, names: list[str]) -> None:
    symbols = []
    with zipfile.ZipFile(_package("lucide") / "lucide.zip") as icons:
        for name in names:
            drawing = _DRAWING.search(icons.read(f"{name}.svg").decode())
            assert drawing is not None, name
            lines = "".join(line.strip() for line in drawing[1].splitlines())
            symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{lines}</symbol>')
    (folder / "icons.svg").write_text(f'<svg xmlns="http://www.w3.org/2000/svg">{"".join(symbols)}</svg>\n')
    licence = next(path for path in distribution("lucide").files or [] if path.name.upper().startswith("LICENSE"))
    shutil.copyfile(str(licence.locate()), folder / "lucide-LICENSE.txt")
