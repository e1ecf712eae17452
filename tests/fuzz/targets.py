"""All targets, by name."""

from __future__ import annotations

from tests.fuzz import (
    audit_files,
    cloud_answers,
    configuration,
    console,
    recordings,
    rfb_handshakes,
    rfb_streams,
    valkey_answers,
    websocket_frames,
)
from tests.fuzz.target import Target

_FAMILIES = (
    rfb_streams,
    rfb_handshakes,
    console,
    websocket_frames,
    cloud_answers,
    configuration,
    recordings,
    audit_files,
    valkey_answers,
)
TARGETS: dict[str, Target] = {
    target.name: target for family in _FAMILIES for target in family.TARGETS
}
