"""`vncproxy screenshot`, against a daemon."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.commands.surroundings import Installation, options_of, refuses
from vncproxy.commands.daemon_client import Download, NoDaemonError
from vncproxy.commands.screenshot import as_json, save, screenshot
from vncproxy.errors import AccessError, LocalError

PNG = Download(b"\x89PNG\r\n\x1a\n", "image/png", "")


def test_its_arguments() -> None:
    """An instance; a file if wanted."""
    options = options_of("screenshot", "web-1", "-o", "-", "--wake")
    assert (options.instance, options.output, options.wake) == ("web-1", "-", True)
    assert options_of("screenshot", "web-1", "--live").live
    assert refuses("screenshot", "web-1", "--live", "--wake")
    assert refuses("screenshot")
    assert refuses("screenshot", "")
    assert refuses("screenshot", "web-1", "-o", "")
    assert refuses("screenshot", "web-1", "-o", "-", "--json")


@pytest.mark.sockets
def test_a_closed_output_takes_no_picture() -> None:
    """Said before any daemon is asked."""
    done = subprocess.run(
        ["sh", "-c", '"$0" -m vncproxy screenshot web-1 -o - >&-', sys.executable],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (1, "vncproxy: the standard output is closed\n")


@pytest.mark.sockets
async def test_the_picture_is_the_clouds(installation: Installation) -> None:
    """Of an instance that runs."""
    config = installation.config("demo", "stopped")
    async with installation.daemon(config):
        picture = await screenshot(config, {}, "demo", wake=True)
        assert picture.content_type == "image/png"
        assert picture.content.startswith(PNG.content)
        path = save(picture, "demo", str(installation.folder / "x.png"))
        assert as_json(picture, str(path)) == {
            "file": str(installation.folder / "x.png"),
            "content_type": "image/png",
            "size_bytes": path.stat().st_size,
        }
        with pytest.raises(AccessError, match="isn't running"):
            await screenshot(config, {}, "stopped")
        with pytest.raises(AccessError) as refused:
            await screenshot(config, {}, "../demo")
        assert refused.value.status == 404


@pytest.mark.sockets
async def test_without_a_daemon(installation: Installation) -> None:
    """Which has the rules, the audit and the pause between two pictures."""
    with pytest.raises(NoDaemonError):
        await screenshot(installation.config(), {}, "demo")


def test_a_picture_has_its_name_from_the_instance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And from what it is; who may read it is the umask's choice."""
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o026)
    try:
        assert save(PNG, "web-1", None) == Path("web-1.png")
    finally:
        os.umask(before)
    assert (tmp_path / "web-1.png").read_bytes() == PNG.content
    assert stat.S_IMODE((tmp_path / "web-1.png").stat().st_mode) == 0o640
    assert save(Download(b"\xff\xd8\xff", "image/jpeg", ""), "../x/y", None) == Path("_._x_y.jpg")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """A link stays, and what it leads to is replaced; who may read that stays the same."""
    old, link = tmp_path / "old.png", tmp_path / "link.png"
    old.write_bytes(b"old")
    old.chmod(0o604)
    link.symlink_to(old)
    assert save(PNG, "web-1", str(link)) == link
    assert link.is_symlink()
    assert old.read_bytes() == PNG.content
    assert stat.S_IMODE(old.stat().st_mode) == 0o604
    assert sorted(one.name for one in tmp_path.iterdir()) == ["link.png", "old.png"]


@pytest.mark.parametrize(
    ("instance", "name"),
    [("数据库", "数据库.png"), ("-web 3", "_web_3.png"), ("..", "_..png"), ("a/b", "a_b.png")],
)
def test_the_name_of_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: str, name: str
) -> None:
    """Of any script; it is no option, no hidden file, and in this folder."""
    monkeypatch.chdir(tmp_path)
    assert save(PNG, instance, None) == Path(name)


@pytest.mark.parametrize("name", ["", "missing/picture.png", "/dev/null"])
def test_what_cannot_be_written_is_said(tmp_path: Path, name: str) -> None:
    """A folder, a file in none, a device."""
    with pytest.raises(LocalError, match="can't be written"):
        save(PNG, "web-1", str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []
