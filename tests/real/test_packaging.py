"""The built package, as pip would get it: the page, noVNC and the licences are inside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = "vncproxy/pages/"
NOVNC = PAGES + "novnc/"
DOCUMENTS = (
    *("README.md", "README.zh-CN.md", "CHANGELOG.md", "config/README.md", "systemd/README.md"),
    *("config/vncproxy.example.toml", "config/recording-format.md", "systemd/vncproxy.service"),
    *(".github/CONTRIBUTING.md", ".github/SECURITY.md", ".github/console.png", "tests/README.md"),
)
"""What is to be read, or to be copied, beside the package."""

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def copy_of_the_tree(place: Path) -> Path:
    """What a fresh clone has: no noVNC, no build."""
    tree = place / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "LICENSE", ".gitignore", *DOCUMENTS):
        (tree / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    ignored = shutil.ignore_patterns("novnc", "__pycache__", ".novnc-*")
    shutil.copytree(ROOT / "vncproxy", tree / "vncproxy", ignore=ignored)
    shutil.copytree(ROOT / ".build", tree / ".build")
    return tree


def build(tree: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m build` in `tree` with what is installed here."""
    return subprocess.run(
        [sys.executable, "-m", "build", "--no-isolation", *options, str(tree)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def path_without_npm(place: Path) -> str:
    """A PATH on which npm isn't found."""
    empty = place / "bin"
    empty.mkdir()
    return str(empty)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dist folder with an sdist and the wheel built from it, noVNC taken from npm."""
    tree = copy_of_the_tree(tmp_path_factory.mktemp("package"))
    done = build(tree)
    assert done.returncode == 0, done.stdout + done.stderr
    return tree / "dist"


def test_the_wheel_has_the_page_and_novnc(built: Path) -> None:
    """Every file of the page is in the wheel, and all of noVNC that a browser loads."""
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    page = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / PAGES).rglob("*")
        if path.is_file() and "novnc" not in path.relative_to(ROOT / PAGES).parts
    }
    assert PAGES + "console.html" in page
    assert page <= inside
    assert {NOVNC + "core/rfb.js", NOVNC + "vendor/pako/lib/zlib/inflate.js"} <= inside
    assert not any(".build" in name or name.startswith("tests/") for name in inside)


def test_the_wheel_has_both_licences(built: Path) -> None:
    """The Apache licence is ours, and noVNC's own texts lie beside noVNC and in the metadata."""
    (wheel,) = built.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = [name for name in archive.namelist() if name.endswith("/METADATA")]
        licences = metadata.removesuffix("METADATA") + "licenses/"
        assert "Apache License" in archive.read(licences + "LICENSE").decode()
        for folder in (NOVNC, licences + NOVNC):
            assert "MPL 2.0" in archive.read(folder + "LICENSE.txt").decode()
            mpl = archive.read(folder + "docs/LICENSE.MPL-2.0").decode()
            assert "Mozilla Public License Version 2.0" in mpl
            assert "MIT" in archive.read(folder + "vendor/pako/LICENSE").decode()
        expression = Parser().parsestr(archive.read(metadata).decode())["License-Expression"]
    assert {"Apache-2.0", "MPL-2.0"} <= set(expression.split(" AND "))


def test_the_sdist_has_the_documents(built: Path) -> None:
    """Who unpacks it finds them where README's links lead."""
    (sdist,) = built.glob("*.tar.gz")
    listed = subprocess.run(["tar", "-tzf", sdist], check=True, capture_output=True, text=True)
    inside = {line.partition("/")[2] for line in listed.stdout.splitlines()}
    assert set(DOCUMENTS) <= inside


def test_the_sdist_needs_no_npm(built: Path, tmp_path: Path) -> None:
    """A wheel built from the sdist on a machine without npm has noVNC all the same."""
    (sdist,) = built.glob("*.tar.gz")
    # Not tarfile: its filters came with Python 3.11.4, and without one newer Pythons warn.
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "-xzf", sdist, "-C", tmp_path / "unpacked"], check=True)
    (tree,) = (tmp_path / "unpacked").iterdir()
    done = build(tree, "--wheel", PATH=path_without_npm(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (tree / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert NOVNC + "core/rfb.js" in archive.namelist()


def test_without_npm_the_error_is_plain(tmp_path: Path) -> None:
    """A fresh tree without npm fails with a sentence that names both ways out, no traceback."""
    tree = copy_of_the_tree(tmp_path)
    done = build(tree, "--wheel", PATH=path_without_npm(tmp_path), NOVNC_FOLDER="")
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "npm was not found" in output
    assert "NOVNC_FOLDER" in output
    assert not list(tree.glob("dist/*.whl"))


def test_a_given_folder_is_taken_instead_of_npm(tmp_path: Path) -> None:
    """NOVNC_FOLDER names a folder with noVNC, whose files are packed."""
    given = tmp_path / "given"
    for name in ("core/rfb.js", "vendor/pako/lib/zlib/inflate.js", "LICENSE.txt"):
        (given / name).parent.mkdir(parents=True, exist_ok=True)
        (given / name).write_text(f"// given {name}\n")
    for name in ("docs/LICENSE.MPL-2.0", "vendor/pako/LICENSE"):
        (given / name).parent.mkdir(parents=True, exist_ok=True)
        (given / name).write_text("text\n")
    tree = copy_of_the_tree(tmp_path)
    done = build(tree, "--wheel", PATH=path_without_npm(tmp_path), NOVNC_FOLDER=str(given))
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (tree / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(NOVNC + "core/rfb.js") == b"// given core/rfb.js\n"


def test_a_given_folder_that_is_not_novnc_is_refused(tmp_path: Path) -> None:
    """NOVNC_FOLDER with the wrong folder fails, and the error names what is missing."""
    tree = copy_of_the_tree(tmp_path)
    done = build(tree, "--wheel", NOVNC_FOLDER=str(tmp_path))
    assert done.returncode != 0
    assert "there is no core/rfb.js" in done.stdout + done.stderr


def test_an_editable_install_has_novnc(tmp_path: Path) -> None:
    """Building the editable wheel puts noVNC into the tree that it points at."""
    tree = copy_of_the_tree(tmp_path)
    script = "import hatchling.build as b; print(b.build_editable('.'))"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tree / NOVNC / "core/rfb.js").is_file()
