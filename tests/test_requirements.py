"""What the service is installed from: each file by its hash, as `.build/requirements` wrote it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
EXTRAS = ("socks", "valkey")
_HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}( \\)?")


def locked(name: str) -> dict[str, tuple[Requirement, int]]:
    """The requirements of a file by name, with the number of their hashes; it has nothing else."""
    found: dict[str, tuple[Requirement, int]] = {}
    current = ""
    for line in (ROOT / name).read_text().splitlines():
        if _HASH.fullmatch(line):
            requirement, hashes = found[current]
            found[current] = (requirement, hashes + 1)
        else:
            requirement = Requirement(line.removesuffix(" \\"))
            current = requirement.name
            assert current not in found
            found[current] = (requirement, 0)
    return found


def wanted() -> Iterator[tuple[str, Requirement]]:
    """What pyproject.toml asks for, and the file in which it has to be."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    more = [project["project"]["optional-dependencies"][extra] for extra in EXTRAS]
    for text in sum(more, project["project"]["dependencies"]):
        yield "requirements.txt", Requirement(text)
    for text in project["build-system"]["requires"]:
        yield "requirements-build.txt", Requirement(text)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt"])
def test_everything_has_one_version_and_hashes(name: str) -> None:
    """And comes from nowhere in particular: no address stands in the file."""
    for requirement, hashes in locked(name).values():
        assert [one.operator for one in requirement.specifier] == ["=="]
        assert requirement.url is None
        assert hashes > 0


@pytest.mark.parametrize(("name", "requirement"), list(wanted()), ids=str)
def test_it_is_in_step_with_pyproject(name: str, requirement: Requirement) -> None:
    """Each library is in it, in a version that pyproject.toml allows."""
    found, _ = locked(name)[requirement.name]
    (pinned,) = found.specifier
    assert requirement.specifier.contains(pinned.version)
    assert found.marker is None or found.marker.evaluate()


def test_the_service_is_installed_from_it() -> None:
    """Nothing without a hash, the build's tools neither."""
    _, _, section = (ROOT / "systemd" / "README.md").read_text().partition("## Install")
    lines = section.partition("```sh\n")[2].partition("```")[0].splitlines()
    assert [line.partition("/bin/pip ")[2] for line in lines if "/bin/pip " in line] == [
        "install --require-hashes -r requirements-build.txt",
        "install --require-hashes --no-build-isolation -r requirements.txt",
        "install --no-build-isolation --no-deps .",
    ]
