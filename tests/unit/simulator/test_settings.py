"""The settings of the simulated cloud."""

from __future__ import annotations

from vncproxy.simulator import AccessKey, SimulatedInstance, SimulatorSettings


def test_the_defaults_are_the_documented_rules() -> None:
    """15 s, 60 s, 30 dials in 60 s."""
    settings = SimulatorSettings()
    assert (settings.url_ttl_s, settings.idle_timeout_s) == (15.0, 60.0)
    assert (settings.reconnects_per_minute, settings.window_s) == (30, 60.0)


def test_the_rules_are_stated_with_their_numbers() -> None:
    """Who reads the rules learns the limits in force."""
    rules = "\n".join(SimulatorSettings(idle_timeout_s=7, counts="input", url_ttl_s=3).rules())
    assert "7 s" in rules
    assert "for 3 s" in rules
    assert "only key and pointer events count, WebSocket pings do not" in rules
    assert "any whole RFB message counts, WebSocket" in "\n".join(SimulatorSettings().rules())


def test_secrets_are_not_in_a_repr() -> None:
    """A secret, a token and a password are hidden."""
    key = AccessKey(secret="hidden-one", security_token="hidden-two")
    text = repr(key) + repr(SimulatedInstance(vnc_password="hidn33"))
    assert "hidden" not in text
    assert "hidn33" not in text
