"""The instances of the configuration."""

from __future__ import annotations

from pathlib import Path

from vncproxy.config.model import Aliyun, Config, Instance
from vncproxy.service.instances import instances_of


def test_instances(tmp_path: Path) -> None:
    """The region's default is the cloud's; the alias's is the id; the password is read."""
    secret = tmp_path / "password"
    secret.touch(mode=0o600)
    secret.write_text("abc123\n")
    found = instances_of(
        Config(
            aliyun=Aliyun(region="cn-beijing"),
            instance=(
                Instance(id="i-1", password_file=secret, windows=True),
                Instance(id="i-2", alias="web", region="cn-hangzhou"),
            ),
        )
    )
    assert [(i.alias, i.region, i.windows, i.password) for i in found] == [
        ("i-1", "cn-beijing", True, "abc123"),
        ("web", "cn-hangzhou", False, None),
    ]
