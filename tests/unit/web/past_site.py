"""A daemon with a past: an audit and recordings that were there before it started."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.bench.past import write_recording
from tests.fault.test_identity import People, people_of
from tests.past import AuditWriterForTests, closed, opened
from tests.setup import WAIT_S
from tests.unit.web.raw_http import Answer
from vncproxy.config.model import Rule
from vncproxy.simulator.settings import DEMO_INSTANCE_ID
from vncproxy.web import past_lists, past_sessions, recordings

GONE = "i-gone"
"""An instance that isn't configured any more."""
RULES = (
    Rule(users=("adm",), instances=("*",), role="admin"),
    Rule(users=("ann",), instances=("demo", "alias-*"), role="admin"),
    Rule(users=("wat",), instances=("demo",), role="watch"),
)


@dataclass
class PastSite:
    """The daemon, and the names of its recordings.

    Args:
        own: Of the demo instance.
        gone: Of `GONE`.
    """

    people: People
    own: str
    gone: str

    async def get(self, path: str, user: str = "adm") -> Answer:
        """A route, as this user."""
        return await self.people.ask(f"/api/v1/{path}", user=user)

    async def load(self, path: str, user: str = "adm") -> bytes:
        """A route that sends its answer as it comes."""
        headers = {"Authorization": f"Bearer {self.people.tokens[user]}"}
        address = f"{self.people.setup.base}/api/v1/{path}"
        async with self.people.setup.http.get(address, headers=headers) as answer:
            assert answer.status == 200
            return await answer.read()

    async def rows(self, what: str, query: str = "", user: str = "adm") -> list[dict[str, Any]]:
        """Of a list."""
        answer = await self.get(f"{what}{query}", user)
        assert answer.status == 200, answer
        rows: list[dict[str, Any]] = answer.json[what]
        return rows


@contextmanager
def patient() -> Iterator[None]:
    """Lists wait for what is new as long as a busy machine takes."""
    with (
        patch.object(past_sessions, "PATIENCE_S", WAIT_S),
        patch.object(past_sessions, "CSV_PATIENCE_S", WAIT_S),
        patch.object(recordings, "PATIENCE_S", WAIT_S),
        patch.object(past_lists, "CALL_TIMEOUT_S", WAIT_S),
    ):
        yield


@asynccontextmanager
async def past_site(folder: Path, *, blocks: int = 4, **config: Any) -> AsyncIterator[PastSite]:
    """Sessions of ann on the demo instance, of eve on `GONE`; a recording of each.

    Args:
        folder: For the state directory.
        blocks: Of the demo instance's recording.
        **config: As of `people_of`.
    """
    state = folder / "state"
    state.mkdir(mode=0o700)
    own = write_recording(
        state / "recordings", 1, blocks=blocks, instance=DEMO_INSTANCE_ID, alias="demo"
    )
    gone = write_recording(state / "recordings", 2, blocks=2, instance=GONE, alias="alias-gone")
    writer = AuditWriterForTests(state / "audit.jsonl")
    writer.add(
        opened("v-1", "ann", DEMO_INSTANCE_ID),
        closed("v-1", "ann", DEMO_INSTANCE_ID),
        opened("v-2", "=cmd()", DEMO_INSTANCE_ID, view=True),
        opened("v-3", "eve", GONE),
        closed("v-3", "eve", GONE, seconds=7.0),
    )
    with patient():
        async with people_of(folder, rule=config.pop("rule", RULES), **config) as people:
            await people.setup.audited("start")
            past = people.setup.daemon.components.services.past
            for refresh in (past.sessions_refresh, past.recordings_refresh):
                await refresh.done(None)
            yield PastSite(people, own, gone)
