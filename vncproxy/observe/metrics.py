"""What is counted, for Prometheus. No label names an instance or a user; every label is bounded.

Gauges are raised by context managers, so that they always fall again.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Literal, get_args

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)

from vncproxy.errors import CloseCode

CONTENT_TYPE = CONTENT_TYPE_LATEST

OTHER = "other"

LinkOutcome = Literal[
    "running",  # the RFB handshake is done
    "opaque",  # running, but only as untouched bytes
    "refused",  # the API said no
    "expired",  # the VncUrl's time passed before the dial was done
    "unreachable",  # the dial failed
    "vnc-password",  # missing or wrong
    "protocol",  # the upstream broke a rule
    "closed",  # given up on purpose: nobody watches, or the daemon drains
    "lost",  # it ended by itself
]
Direction = Literal["to_viewers", "to_upstream"]

_ACTIONS = frozenset({"DescribeInstanceVncUrl", "DescribeInstances"})
_API_CODES = frozenset(
    {
        "ok",
        "timeout",
        "unreachable",
        "not-json",
        "DryRunOperation",
        "IncompleteSignature",
        "IncorrectInstanceStatus",
        "InstanceNotReady",
        "InternalError",
        "InvalidInstanceId.NotFound",
        "InvalidRegionId.NotFound",
        "InvalidRegionInstance",
        "InvalidTimeStamp.Expired",
        "InvalidTimeStamp.Format",
        "MissingParameter",
        "ServiceUnavailable",
        "SignatureDoesNotMatch",
        "SignatureNonceUsed",
    }
)
# Families whose members are many: counted under the family's name. Source: ECS error pages.
_API_FAMILIES = (
    "Forbidden",
    "InvalidAccessKeyId",
    "InvalidParameter",
    "InvalidSecurityToken",
    "Throttling",
)
_CLOSE_CODES = frozenset({1000, 1001, 1002, 1003, 1005, 1006, 1007, 1009, *map(int, CloseCode)})
_WORD = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_WORDS_MAX = 64
_WAIT_BUCKETS_S = (0.01, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0)
_LAG_BUCKETS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)


class Metrics:
    """The daemon's counters, in a registry of their own: several may live in one process."""

    def __init__(self, version: str = "") -> None:
        """Set all up at zero.

        Args:
            version: The package's, shown as a label of its own metric.
        """
        self._registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._words = {"refusal": set[str](), "kind": set[str](), "event": set[str]()}

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"vncproxy_{name}", text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(f"vncproxy_{name}", text, labels, registry=registry)

        def histogram(name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
            return Histogram(f"vncproxy_{name}", text, buckets=buckets, registry=registry)

        gauge("build_info", "Always 1; the label tells the version", "version").labels(version).set(
            1
        )
        self._consoles = gauge("consoles", "Consoles that are open")
        self._opaque = gauge("opaque_consoles", "Consoles relayed untouched, without keepalive")
        self._viewers = gauge("viewers", "Viewers that are connected")
        self._links = counter("links", "Upstream links by what became of them", "outcome")
        self._dials = counter(
            "dials", "Upstream connection attempts: what the cloud's limit counts"
        )
        self._avoided = counter("dials_avoided", "Viewers that found a link in place")
        self._resumes = counter("resumes", "Sessions that went on over a new link")
        self._waits = histogram(
            "budget_wait_seconds", "Wait for the reconnect budget", _WAIT_BUCKETS_S
        )
        self._throttle_degraded = gauge(
            "throttle_degraded", "1 while the shared ledger is away and a share of it is used"
        )
        self._api_calls = counter("api_calls", "Calls of the cloud's API", "action", "code")
        self._bytes = counter("rfb_bytes", "Bytes of RFB passed on", "direction")
        self._keepalives = counter("keepalives", "Keepalive messages sent upstream", "kind")
        self._keepalive_class = gauge(
            "keepalive_class_consoles", "Consoles by the class of keepalive in use", "kind"
        )
        self._refusals = counter("refusals", "Requests refused at the door", "word")
        self._closes = counter("viewer_closes", "Viewers' WebSockets closed", "code")
        self._records = counter("audit_records", "Records of the audit by what happened", "event")
        self._audit_writable = gauge(
            "audit_writable", "0 while the audit can't be written, so that nothing is opened"
        )
        self._discarded = counter(
            "discarded_keys", "Keys not passed on: there was no link to take them"
        )
        self._lag = histogram(
            "event_loop_lag_seconds", "How late the event loop wakes", _LAG_BUCKETS_S
        )
        # What shows a leak before it hurts; process_open_fds is missing where /proc is restricted.
        gauge("tasks", "asyncio tasks that run").set_function(_tasks)
        gauge("threads", "Threads that run").set_function(threading.active_count)
        gauge(
            "file_descriptors", "Open file descriptors, -1 where the system doesn't say"
        ).set_function(_file_descriptors)
        self._bytes_by_direction = {d: self._bytes.labels(d) for d in get_args(Direction)}
        self._keepalives_by_kind: dict[str, Counter] = {}
        for outcome in get_args(LinkOutcome):
            self._links.labels(outcome)

    def console(self) -> AbstractContextManager[object]:
        """A console is open as long as this lasts."""
        return self._consoles.track_inprogress()

    def viewer(self) -> AbstractContextManager[object]:
        """A viewer is connected as long as this lasts."""
        return self._viewers.track_inprogress()

    def opaque(self) -> AbstractContextManager[object]:
        """A console is relayed untouched as long as this lasts."""
        return self._opaque.track_inprogress()

    def keepalive_class(self, kind: str) -> AbstractContextManager[object]:
        """A console uses this class of keepalive as long as this lasts."""
        return self._keepalive_class.labels(self._word("kind", kind)).track_inprogress()

    def link(self, outcome: LinkOutcome) -> None:
        """An upstream link got this far: one call when it runs, one when it ends."""
        self._links.labels(outcome).inc()

    def dialled(self) -> None:
        """A VncUrl is being dialled."""
        self._dials.inc()

    def dial_avoided(self) -> None:
        """A viewer came, or came back, and needed no new link."""
        self._avoided.inc()

    def resumed(self) -> None:
        """A session goes on over a new link."""
        self._resumes.inc()

    def budget_waited(self, wait_s: float) -> None:
        """A link waited so long for its permit, in seconds."""
        self._waits.observe(wait_s)

    def throttle_degraded(self, degraded: bool) -> None:
        """The shared ledger is away, or back."""
        self._throttle_degraded.set(degraded)

    def api_called(self, action: str, code: str) -> None:
        """The cloud's API was asked.

        Args:
            action: The API's name of the call, as "DescribeInstances".
            code: "ok", "timeout", "unreachable", "not-json" or the API's error code.
        """
        self._api_calls.labels(action if action in _ACTIONS else OTHER, _api_code(code)).inc()

    def passed(self, direction: Direction, size_bytes: int) -> None:
        """So many bytes of RFB were passed on."""
        self._bytes_by_direction[direction].inc(size_bytes)

    def keepalive_sent(self, kind: str) -> None:
        """A keepalive message went upstream."""
        if (count := self._keepalives_by_kind.get(kind)) is None:
            word = self._word("kind", kind)
            count = self._keepalives_by_kind[word] = self._keepalives.labels(word)
        count.inc()

    def refused(self, word: str) -> None:
        """A request was refused at the door for this reason."""
        self._refusals.labels(self._word("refusal", word)).inc()

    def recorded(self, event: str) -> None:
        """The audit has another record of this kind."""
        self._records.labels(self._word("event", event)).inc()

    def watch_audit(self, writable: Callable[[], bool]) -> None:
        """Ask this at each look whether the audit can be written."""
        self._audit_writable.set_function(lambda: float(writable()))

    def viewer_closed(self, code: int) -> None:
        """A viewer's WebSocket ended with this close code."""
        self._closes.labels(str(int(code)) if code in _CLOSE_CODES else OTHER).inc()

    def keys_discarded(self, count: int = 1) -> None:
        """So many key messages could not be passed on."""
        self._discarded.inc(count)

    def lagged(self, lag_s: float) -> None:
        """The event loop woke so many seconds late."""
        self._lag.observe(lag_s)

    def render(self) -> bytes:
        """All of it, in the text format that `CONTENT_TYPE` names."""
        return generate_latest(self._registry)

    def _word(self, label: str, word: str) -> str:
        """The word itself while there are few, so that a label's values stay bounded."""
        seen = self._words[label]
        if word in seen:
            return word
        if len(seen) >= _WORDS_MAX or not _WORD.fullmatch(word):
            return OTHER
        seen.add(word)
        return word


def _api_code(code: str) -> str:
    if code in _API_CODES:
        return code
    return next((family for family in _API_FAMILIES if code.startswith(family)), OTHER)


def _tasks() -> int:
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        # Rendered outside of the event loop, as tests do.
        return 0


def _file_descriptors() -> int:
    try:
        # The folder that is read takes one itself.
        return len(os.listdir("/proc/self/fd")) - 1  # noqa: PTH208 - a count, no paths
    except OSError:
        return -1
