"""A made-up past: audit files of a few records, and what a plain reading of them tells."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from vncproxy.audit.record import Entry, Event, Head, encode, parse
from vncproxy.audit.session_index import PastSession, SessionIndex, SessionQuery

BEGAN_AT = 1_780_000_000.0
"""Seconds since 1970: 2026-05-28T20:26:40Z."""


class AuditWriterForTests:
    """Writes an audit without a daemon: record after record, file after file."""

    def __init__(self, path: Path) -> None:
        """Nothing is written yet."""
        self.path = path
        self.head = Head()
        self.at = BEGAN_AT
        self._moved = 0

    def add(self, *entries: Entry) -> None:
        """More records, a second apart."""
        with os.fdopen(
            os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab"
        ) as f:
            for entry in entries:
                self.at += 1.0
                line, self.head = encode(entry, self.head, self.at)
                f.write(line)

    def move_away(self) -> Path:
        """As a log rotation does; gives the file's new place."""
        self._moved += 1
        place = self.path.with_name(f"{self.path.name}.{self._moved}")
        self.path.rename(place)
        return place


def opened(viewer: str, user: str = "ann", instance: str = "i-1", *, view: bool = False) -> Entry:
    """A session begins."""
    return Entry(
        event=Event.VIEW if view else Event.OPEN,
        user=user,
        identity="cookie",
        door="local",
        address="192.0.2.1",
        rule="rule 1",
        instance=instance,
        alias=f"alias-{instance}",
        region="cn-hangzhou",
        viewer=viewer,
    )


def closed(
    viewer: str, user: str = "ann", instance: str = "i-1", *, seconds: float | None = 1.0
) -> Entry:
    """A session ends."""
    return Entry(
        event=Event.CLOSE,
        user=user,
        instance=instance,
        alias=f"alias-{instance}",
        region="cn-hangzhou",
        viewer=viewer,
        seconds=seconds,
        side="viewer",
        code=1000,
        reason="viewer-left",
    )


def found(index: SessionIndex, **query: Any) -> list[PastSession]:
    """The sessions of all instances, the newest first."""
    keys = [one.key for one in index.instances()]
    return index.find(SessionQuery(keys, **query), 1000)


Told = tuple[str, str, str, int | None, bool]
"""Viewer, user, instance, end in ms, whether the daemon crashed meanwhile."""


def told(sessions: Iterable[PastSession]) -> list[Told]:
    """What is compared of an index's answer."""
    return sorted(
        (
            (one.viewer, one.user, one.instance.id, one.ended_ms, one.lost_ms is not None)
            for one in sessions
        ),
        key=repr,
    )


def told_by(lines: Iterable[bytes]) -> list[Told]:
    """The same by a plain reading of all lines in their order, each record once."""
    rows: list[dict[str, Any]] = []
    seen: set[str] = set()
    for line in lines:
        record = parse(line.removesuffix(b"\n"))
        if record is None or not record.sound or record.hash in seen:
            continue
        seen.add(record.hash)
        content = record.content
        names = {name: content.get(name, "") for name in ("viewer", "user", "instance")}
        at_ms = _milliseconds(str(content["time"]))
        if record.event in (Event.OPEN, Event.VIEW):
            rows.append({**names, "ended": None, "lost": False})
        elif record.event == Event.START:
            for row in rows:
                row["lost"] = row["lost"] or row["ended"] is None
        elif record.event == Event.CLOSE:
            mine = [row for row in rows if row["viewer"] == names["viewer"]]
            if not mine or mine[-1]["ended"] is not None:
                rows.append({**names, "ended": at_ms, "lost": False})
            else:
                mine[-1] |= {"ended": at_ms, "lost": False}
    return sorted((_told(row) for row in rows), key=repr)


def _told(row: dict[str, Any]) -> Told:
    return row["viewer"], row["user"], row["instance"], row["ended"], row["lost"]


def _milliseconds(moment: str) -> int:
    return round(datetime.fromisoformat(moment).timestamp() * 1000)
