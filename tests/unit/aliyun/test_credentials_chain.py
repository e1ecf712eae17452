"""The official chain, kept on a short leash."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from alibabacloud_credentials import provider as official
from alibabacloud_credentials.utils import auth_constant, auth_util
from structlog.testing import capture_logs
from Tea.core import TeaCore

from tests.unit.aliyun.conftest import Cloud, Reply, serve
from vncproxy.aliyun.credentials import Credentials
from vncproxy.aliyun.credentials_chain import Chain, ChainCredentials
from vncproxy.errors import CloudError, CloudErrorKind


@pytest.fixture(autouse=True)
def home_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home directory, and no credentials in the environment that the SDK read."""
    monkeypatch.setattr(auth_constant, "HOME", str(tmp_path))
    for name in (
        "environment_access_key_id",
        "environment_access_key_secret",
        "environment_security_token",
        "environment_credentials_file",
        "environment_credentials_uri",
        "environment_profile_name",
        "environment_ecs_metadata",
    ):
        monkeypatch.setattr(auth_util, name, None)
    monkeypatch.setattr(auth_util, "enable_oidc_credential", False)
    monkeypatch.setattr(auth_util, "environment_imds_v1_disabled", "false")
    monkeypatch.setattr(auth_util, "environment_ecs_metadata_disabled", "true")
    return tmp_path


@pytest.fixture
async def proxy() -> AsyncIterator[Cloud]:
    """An HTTP proxy that must not be asked."""
    proxy = Cloud()
    runner = await serve(proxy)
    yield proxy
    await runner.cleanup()


def _profile(home_directory: Path, secret: str) -> None:
    folder = home_directory / ".aliyun"
    folder.mkdir(exist_ok=True)
    keys = {"access_key_id": "cli-id", "access_key_secret": secret}
    profile = {"name": "p", "mode": "AK", **keys}
    (folder / "config.json").write_text(json.dumps({"current": "p", "profiles": [profile]}))


class FakeChain:
    """A chain that gives what it is reported, when it is reported."""

    made = 0

    def __init__(self) -> None:
        """Count how often one is made."""
        type(self).made += 1
        self.number = type(self).made

    def credentials(self) -> Credentials | CloudError:
        """Numbered keys."""
        return Credentials(f"id-{self.number}", "s", None, "fake")


def _source(chain: type[FakeChain], timeout_s: float = 10.0) -> ChainCredentials:
    chain.made = 0
    return ChainCredentials(timeout_s, cast("type[Chain]", chain))


async def test_no_credentials_anywhere_says_what_to_set() -> None:
    """It is permanent, names the variables and has a code for the close reason."""
    with pytest.raises(CloudError) as caught:
        await ChainCredentials(20.0).get()
    error = caught.value
    assert (error.kind, error.code) == (CloudErrorKind.PERMANENT, "NoCredentials")
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in error.public_text
    assert "ALIBABA_CLOUD_ACCESS_KEY_SECRET" in error.public_text
    assert error.__context__ is None


async def test_the_cli_profile_is_read_anew_by_a_refresh(home_directory: Path) -> None:
    """What the SDK caches lasts until the refresh."""
    _profile(home_directory, "one")
    source = ChainCredentials(20.0)
    first = await source.get()
    assert first == Credentials("cli-id", "one", None, "cli_profile/static_ak")
    _profile(home_directory, "two")
    assert await source.get() == first
    assert (await source.refresh(first)).access_key_secret == "two"


async def test_credentials_ini_comes_next(home_directory: Path) -> None:
    """The SDK's own file, in its own folder."""
    (home_directory / ".alibabacloud").mkdir()
    (home_directory / ".alibabacloud" / "credentials.ini").write_text(
        "[default]\ntype = access_key\naccess_key_id = ini\naccess_key_secret = s\n"
    )
    assert (await ChainCredentials(20.0).get()).access_key_id == "ini"


async def test_a_refresh_that_others_have_made_is_not_repeated() -> None:
    """Many calls refused at once fetch new keys once."""
    source = _source(FakeChain)
    stale = await source.get()
    renewed = await asyncio.gather(*(source.refresh(stale) for _ in range(5)))
    assert {one.access_key_id for one in renewed} == {"id-2"}
    assert FakeChain.made == 2


async def test_a_hanging_chain_holds_up_nobody() -> None:
    """It times out, the loop goes on, and one thread is enough for all who wait."""
    go_on = threading.Event()

    class Hanging(FakeChain):
        def credentials(self) -> Credentials | CloudError:
            assert go_on.wait(60)
            return super().credentials()

    before = set(threading.enumerate())
    source = _source(Hanging, timeout_s=0.05)
    for _ in range(3):
        with pytest.raises(CloudError) as caught:
            await source.get()
        assert caught.value.kind is CloudErrorKind.TRANSIENT
    (thread,) = set(threading.enumerate()) - before
    assert (thread.name, thread.daemon) == ("credentials", True)
    go_on.set()
    thread.join(60)
    assert (await source.get()).access_key_id == "id-1"
    assert Hanging.made == 1


async def test_a_cancelled_wait_leaves_the_fetch_to_the_next() -> None:
    """Cancelling one who waits breaks nothing for the others."""
    go_on = threading.Event()

    class Slow(FakeChain):
        def credentials(self) -> Credentials | CloudError:
            assert go_on.wait(60)
            return super().credentials()

    source = _source(Slow)
    first = asyncio.create_task(source.get())
    await asyncio.sleep(0)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    go_on.set()
    assert (await source.get()).access_key_id == "id-1"
    assert Slow.made == 1


async def test_an_sdk_that_breaks_is_an_error_without_its_words() -> None:
    """Whatever comes out of the SDK may hold keys: it isn't passed on."""

    class Broken(FakeChain):
        def credentials(self) -> Credentials | CloudError:
            raise RuntimeError("planted-secret")

    with pytest.raises(CloudError) as caught:
        await _source(Broken).get()
    assert "planted-secret" not in repr(caught.value)
    assert caught.value.__context__ is None


async def test_keys_that_cannot_be_sent_are_an_error(home_directory: Path) -> None:
    """A broken profile is reported in plain words."""
    _profile(home_directory, "planted secret")
    with pytest.raises(CloudError) as caught:
        await ChainCredentials(20.0).get()
    assert caught.value.code == "NoCredentials"
    assert "planted secret" not in repr(caught.value)


@pytest.mark.sockets
async def test_the_credentials_uri_is_asked_directly_and_its_answer_is_not_printed(
    cloud: Cloud,
    proxy: Cloud,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """HTTP_PROXY doesn't get loopback requests; an error answer's text stays inside."""
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("HTTP_PROXY", proxy.origin)
    monkeypatch.setenv("http_proxy", proxy.origin)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.setattr(auth_util, "environment_credentials_uri", f"{cloud.origin}/creds")
    proxy.replies = [Reply({"Code": "stolen"})]
    cloud.replies = [
        Reply({"Code": "planted-secret"}, 500),
        Reply(
            {
                "Code": "Success",
                "AccessKeyId": "uri-id",
                "AccessKeySecret": "planted-secret",
                "SecurityToken": "t",
                "Expiration": "2099-01-01T00:00:00Z",
            }
        ),
    ]
    source = ChainCredentials(20.0)
    with pytest.raises(CloudError) as caught:
        await source.get()
    assert await source.get() == Credentials("uri-id", "planted-secret", "t", "credential_uri")
    assert proxy.requests == []
    assert len(cloud.requests) == 2
    printed = "".join(capfd.readouterr()) + caplog.text + repr(caught.value)
    assert "planted-secret" not in printed


@pytest.mark.sockets
async def test_an_unreachable_uri_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service may come back."""
    monkeypatch.setattr(auth_util, "environment_credentials_uri", "http://127.0.0.1:1/creds")
    with pytest.raises(CloudError) as caught:
        await ChainCredentials(20.0).get()
    assert caught.value.kind is CloudErrorKind.TRANSIENT
    assert "credential_uri" in caught.value.public_text


async def test_a_source_that_worked_and_fails_is_transient(home_directory: Path) -> None:
    """Keys that were there a moment ago are waited for."""
    _profile(home_directory, "one")
    chain = Chain()
    assert isinstance(chain.credentials(), Credentials)
    broken = SimpleNamespace(get_credentials=lambda: 1 / 0, get_provider_name=lambda: "cli_profile")
    cast("Any", chain)._kept = broken
    error = chain.credentials()
    assert isinstance(error, CloudError)
    assert error.kind is CloudErrorKind.TRANSIENT


def test_the_order_is_the_official_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same providers as in the SDK's default chain, less the environment's static keys."""
    monkeypatch.setattr(auth_util, "enable_oidc_credential", True)
    monkeypatch.setattr(auth_util, "environment_role_arn", "acs:ram::1:role/r")
    monkeypatch.setattr(auth_util, "environment_oidc_provider_arn", "acs:ram::1:oidc-provider/p")
    monkeypatch.setattr(auth_util, "environment_oidc_token_file", "/nowhere")
    monkeypatch.setattr(auth_util, "environment_credentials_uri", "http://127.0.0.1:1/creds")
    default = cast("Any", official.DefaultCredentialsProvider())
    expected = [type(one) for one in default._DefaultCredentialsProvider__providers_chain]
    assert expected[0] is official.EnvironmentVariableCredentialsProvider
    assert [type(one) for one in cast("Any", Chain())._providers] == expected[1:]


def test_the_metadata_service_is_used_with_care(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its second version only, no thread of its own, no proxy, in its official place."""
    monkeypatch.setattr(auth_util, "environment_ecs_metadata_disabled", "false")
    monkeypatch.setattr(auth_util, "environment_credentials_uri", "http://127.0.0.1:1/creds")
    before = set(threading.enumerate())
    providers = cast("Any", Chain())._providers
    # Those of other tests may end meanwhile.
    assert set(threading.enumerate()) <= before
    assert [type(one) for one in providers[-2:]] == [
        official.EcsRamRoleCredentialsProvider,
        official.URLCredentialsProvider,
    ]
    assert providers[-2]._disable_imds_v1 is True
    # A profile that names an ECS RAM role makes its own provider.
    profiled = official.EcsRamRoleCredentialsProvider(role_name="r", async_update_enabled=False)
    assert cast("Any", profiled)._disable_imds_v1 is True
    session = TeaCore._get_session("http://100.100.100.200:80", "http")
    assert type(session).__name__ == "Direct"


def test_the_sdks_loggers_are_silent(capfd: pytest.CaptureFixture[str]) -> None:
    """They have no handler of their own and pass nothing on."""
    Chain()
    for name in ("credentials", "alibabacloud-tea"):
        logging.getLogger(name).error("planted-secret")
    assert "planted-secret" not in "".join(capfd.readouterr())


async def test_a_fault_in_the_thread_is_reported() -> None:
    """By its class: its text may hold keys."""

    def breaks() -> Chain:
        raise KeyError("planted-secret")

    with capture_logs() as log, pytest.raises(CloudError, match=r"the SDK failed \(KeyError\)"):
        await ChainCredentials(5.0, breaks).get()
    assert [one["error"] for one in log] == ["KeyError"]
    assert "planted-secret" not in str(log)
