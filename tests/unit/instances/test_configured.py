"""The instances of the configuration."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vncproxy.aliyun.instances import EcsInstance
from vncproxy.config.model import Aliyun, Config, Instance
from vncproxy.instances.configured import instances_of, inventory_of


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


async def test_an_inventory_knows_the_configured_instances_and_the_regions_to_look_in() -> None:
    """What may be opened is what the configuration names and what its regions show."""
    asked: list[str] = []

    class Cloud:
        async def instances(
            self, region: str, ids: Iterable[str] | None = None
        ) -> list[EcsInstance]:
            asked.append(region)
            return []

    config = Config(
        aliyun=Aliyun(discover=True, regions=("cn-b",)),
        instance=(Instance(id="i-bp1", alias="web-1", region="cn-a"),),
    )
    shown = await inventory_of(config, Cloud()).all()
    assert [one.alias for one in shown] == ["web-1"]
    assert "cn-b" in asked
