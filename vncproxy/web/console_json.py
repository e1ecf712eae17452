"""A console as pages and the API show it; JSON-ready, without secrets."""

from __future__ import annotations

import time

from vncproxy.console.console import Console
from vncproxy.console.control import Control
from vncproxy.console.lifecycle import State
from vncproxy.console.page_messages import Message
from vncproxy.console.viewer import Viewer
from vncproxy.errors import (
    CloudError,
    UpstreamRefused,
    VncPasswordError,
    VncproxyError,
    safe_cloud_code,
)
from vncproxy.observe.times import utc_text
from vncproxy.observe.traffic import Rate
from vncproxy.throttle.reconnect_budget import ACCOUNT, Usage


def state_of(console: Console) -> Message:
    """The console's state, for its pages."""
    supervisor, router, limits = console.supervisor, console.router, console.limits
    screen = router.screen
    return {
        "type": "state",
        "state": console.state.value,
        "since": supervisor.state_since,
        "wait_s": _wait_s(console),
        "may_hurry": supervisor.may_hurry,
        "budget": {"limit": limits.reconnects_per_minute, "counts_for": limits.reconnects_key},
        "max_wait_s": limits.max_wait,
        "text": _text(console),
        "opaque": _is_opaque(console),
        "attempt": supervisor.attempt,
        "encrypted": supervisor.encrypted,
        "keepalive": {
            "kind": supervisor.learning.keepalive.kind.value,
            "why": supervisor.learning.keepalive.why,
        },
        "screen": screen and {"width": screen.width, "height": screen.height, "name": screen.name},
        "error": failure_of(supervisor.failure),
        "instance_status": supervisor.learning.status or None,
        "discarded_keys": router.discarded_keys,
        "saved": {
            "dials_avoided": supervisor.saved.dials_avoided,
            "losses_survived": supervisor.saved.losses_survived,
        },
    }


def viewers_of(console: Console) -> list[Message]:
    """Who is on, for pages and the API."""
    return [_viewer_of(console.control, viewer) for viewer in console.viewers]


def _viewer_of(control: Control, viewer: Viewer) -> Message:
    who = viewer.identity
    return {
        "id": viewer.id,
        "user": who.user,
        "from": who.address,
        "role": "control" if viewer.id == control.controller else "watch",
        "may_control": who.may_control,
        "asks": viewer.id in control.asking,
        "since": utc_text(viewer.since),
    }


def summary_of(console: Console, *, viewers: bool = True) -> Message:
    """One row of the list of open consoles.

    Args:
        console: Which.
        viewers: Whether with them; not where `details_of` gives more.
    """
    instance, supervisor = console.instance, console.supervisor
    return {
        "instance": instance.id,
        "alias": instance.alias,
        "region": instance.region,
        "state": console.state.value,
        "since": utc_text(console.since),
        "link_age_s": round(supervisor.link.age_s, 1) if supervisor.link is not None else None,
        "keepalive": supervisor.learning.keepalive.kind.value,
        "controller": console.control.controller,
        "viewers": viewers_of(console) if viewers else [],
        "saved": {
            "dials_avoided": supervisor.saved.dials_avoided,
            "losses_survived": supervisor.saved.losses_survived,
        },
    }


def details_of(console: Console, at_s: float) -> Message:
    """What administrators see of a row besides; its viewers hold more than `viewers_of` gives.

    Args:
        console: Which.
        at_s: Now, in monotonic seconds.
    """
    supervisor = console.supervisor
    traffic, still_s = supervisor.traffic, supervisor.traffic.sampling.at_s
    return {
        "name": console.instance.name,
        "windows": console.instance.windows,
        "text": _text(console),
        "wait_s": _wait_s(console),
        "error": failure_of(supervisor.failure),
        "instance_status": supervisor.learning.status or None,
        "opaque": _is_opaque(console),
        "attempt": supervisor.attempt,
        "age_s": round(time.time() - console.since, 1),
        "state_since": utc_text(supervisor.state_since),
        "keepalive_why": supervisor.learning.keepalive.why,
        "recorded": console.recordings.is_recording,
        "link": (supervisor.link.name or None) if supervisor.link is not None else None,
        "links": supervisor.links_opened,
        "from_cloud": _flow(traffic.rate_in, traffic.bytes_in, at_s, still_s),
        "to_cloud": _flow(traffic.rate_out, traffic.bytes_out, at_s, still_s),
        "viewers": [
            _viewer_of(console.control, viewer) | _viewer_details(console, viewer, at_s, still_s)
            for viewer in console.viewers
        ],
    }


def _viewer_details(console: Console, viewer: Viewer, at_s: float, still_s: float) -> Message:
    who = viewer.identity
    input_age_s = viewer.input_age_s
    return {
        "age_s": round(viewer.age_s, 1),
        "identity": who.how or None,
        "door": who.door,
        "rule": who.rule or None,
        "native": who.native,
        "record": who.record,
        "recorded": console.recordings.records(who.id),
        "input_age_s": None if input_age_s is None else round(input_age_s, 1),
        "to_viewer": _flow(viewer.rate_out, viewer.bytes_out, at_s, still_s),
        "from_viewer": _flow(viewer.rate_in, viewer.bytes_in, at_s, still_s),
    }


def _flow(rate: Rate, total_bytes: int, at_s: float, still_s: float) -> Message:
    return {"bytes": total_bytes, "bytes_per_s": int(rate.per_s(at_s, total_bytes, still_s))}


def budget_of(key: str, usage: Usage | str) -> Message:
    """What administrators see of a row besides, too: how full the console's budget is.

    Args:
        key: What its dials are counted for.
        usage: How much of the budget is used, or in words why that isn't known.
    """
    if isinstance(usage, str):
        return {"budget": None, "budget_problem": usage}
    budget = {
        "used": usage.used,
        "limit": usage.limit,
        "left": max(0, usage.limit - usage.used),
        "window_s": usage.window_s,
        "next_free_s": round(max(0.0, usage.next_free_s), 1),
        "counts_for": "account" if key == ACCOUNT else "instance",
    }
    return {"budget": budget, "budget_problem": None}


def _is_opaque(console: Console) -> bool:
    return console.state is State.OPAQUE or console.supervisor.learning.opaque is not None


_TEXTS = {
    State.IDLE: "Getting ready.",
    State.WAITING_BUDGET: (
        "Waiting for a permit: as many connections as may be were made in the last minute."
    ),
    State.FETCHING_URL: "Asking the cloud for the console's address.",
    State.CONNECTING: "Connecting to the cloud's VNC gateway.",
    State.HANDSHAKE: "Connected; agreeing on how to talk.",
    State.PASSWORD: "The instance asks for its VNC password.",
    State.RUNNING: "Connected.",
    State.RESUMING: "The connection is down; the next try follows.",
    State.OPAQUE: (
        "Connected, but the server speaks a kind of VNC that vncproxy doesn't know: bytes are "
        "passed on as they are, without keepalive, resume or sharing."
    ),
    State.CLOSED: "Closed.",
}


def _text(console: Console) -> str:
    if console.state is State.WAITING_BUDGET and console.supervisor.wait_until is None:
        return "Taking a permit from the reconnect budget."
    if console.state is State.RESUMING and not console.supervisor.links_opened:
        return "There was no connection yet; the next try follows."
    return _TEXTS[console.state]


def _wait_s(console: Console) -> float | None:
    """Seconds until the next step may come, if that is known."""
    until = console.supervisor.wait_until
    return None if until is None else round(max(0.0, until - time.time()), 1)


def failure_of(failure: VncproxyError | None) -> Message | None:
    """Why something couldn't be had: in words, with the cloud's codes; None: it could."""
    if failure is None:
        return None
    code = action = request_id = ""
    text = failure.public_text
    if isinstance(failure, CloudError | UpstreamRefused):
        code = safe_cloud_code(failure.code)
    if isinstance(failure, CloudError):
        action, request_id = failure.action, failure.request_id
        text = failure.text_beside_request_id
    return {
        "code": code or None,
        "text": text,
        "action": action or None,
        "request_id": request_id or None,
        "password_wrong": isinstance(failure, VncPasswordError) and failure.wrong,
    }
