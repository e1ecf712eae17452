"""What a viewer's events show of themselves."""

from __future__ import annotations

from vncproxy.rfb.client_events import ClientEvent, CutTextSent, FenceSent, KeySent, QemuKeySent


def test_no_event_shows_what_was_typed_or_copied() -> None:
    """A repr in a log holds neither keys nor clipboard text."""
    events: list[ClientEvent] = [
        KeySent(b"planted-secret"),
        QemuKeySent(b"planted-secret"),
        CutTextSent(b"planted-secret", 14),
        FenceSent(b"planted-secret", 0, b"planted-secret"),
    ]
    assert "planted" not in repr(events)
