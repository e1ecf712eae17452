"""What a daemon says that has nothing to open, or nothing to open it with."""

from __future__ import annotations

from structlog.testing import capture_logs

from vncproxy.aliyun.credentials import Credentials
from vncproxy.aliyun.errors import permanent
from vncproxy.config.model import Aliyun, Config, Instance
from vncproxy.service.startup_warnings import warn_of_missing


class Source:
    """Gives credentials, or none."""

    def __init__(self, *, has: bool) -> None:
        """Know which."""
        self._has = has

    async def get(self) -> Credentials:
        """Some, or a CloudError."""
        if not self._has:
            raise permanent("There are no credentials.", "NoCredentials")
        return Credentials("id", "secret", None, "env")

    async def refresh(self, stale: Credentials | None = None) -> Credentials:
        """The same."""
        return await self.get()


async def warnings(config: Config, *, has: bool) -> dict[str, str]:
    """The events and their texts."""
    with capture_logs() as events:
        await warn_of_missing(config, Source(has=has))
    assert {event["log_level"] for event in events} <= {"warning"}
    return {event["event"]: event["text"] for event in events}


async def test_what_is_missing() -> None:
    """Instances and credentials, each in words that say what to do."""
    found = await warnings(Config(), has=False)
    assert list(found) == ["instances.missing", "credentials.missing"]
    assert "[[instance]]" in found["instances.missing"]
    assert found["credentials.missing"] == "There are no credentials."


async def test_nothing_is_missing() -> None:
    """A configured instance is enough, and so is discovery."""
    one = Config(instance=(Instance(id="i-bp1demo0000000000001"),))
    assert await warnings(one, has=True) == {}
    assert await warnings(Config(aliyun=Aliyun(discover=True)), has=True) == {}
