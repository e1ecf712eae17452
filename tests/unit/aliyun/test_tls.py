"""TLS settings for outgoing connections."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from tests.authority import Authority
from vncproxy.aliyun.tls import client_context
from vncproxy.errors import ConfigError


def test_certificates_and_names_are_verified() -> None:
    """Nothing is switched off, and old TLS isn't spoken."""
    context = client_context(None)
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2


def test_ca_file_comes_on_top_of_the_systems(authority: Authority) -> None:
    """The system's certificates stay."""
    before = len(client_context(None).get_ca_certs())
    assert len(client_context(authority.ca_file).get_ca_certs()) == before + 1


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_an_unusable_ca_file_is_reported(tmp_path: Path, content: bytes | None) -> None:
    """The error names the file and the key."""
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigError) as caught:
        client_context(file)
    assert str(file) in caught.value.public_text
    assert "aliyun.ca_file" in caught.value.public_text
