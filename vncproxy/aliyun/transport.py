"""One HTTP exchange with the API, whose every failure is a typed error.

aiohttp's exceptions hold the request: its headers, with the keys in them, and its address. So none
of them leaves this module, not as a cause and not as a context either: outcomes are returned.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import aiohttp
from yarl import URL

from vncproxy.aliyun.answers import Answer
from vncproxy.aliyun.errors import CERTIFICATE, permanent, transient
from vncproxy.aliyun.proxies import Proxy
from vncproxy.errors import CloudError

_CHUNK_BYTES = 64 * 1024
# X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL.
_DATED = {9, 10}


@dataclass(frozen=True, slots=True)
class Failure:
    """No answer. Args: word - for the log and the metrics, such as `timeout`."""

    word: str
    error: CloudError


async def exchange(
    session: aiohttp.ClientSession,
    method: str,
    url: str,
    *,
    headers: Mapping[str, str],
    ssl_context: ssl.SSLContext,
    proxy: Proxy | None,
    timeout_s: float,
    max_bytes: int,
) -> Answer | Failure:
    """The answer to one request without a body, or why there is none.

    Redirects aren't followed, answers aren't compressed. Args: url - encoded already, sent as it
    is; timeout_s - at most for all of it; max_bytes - a longer answer is a failure.
    """
    failure: Failure
    try:
        async with (
            asyncio.timeout(timeout_s),
            session.request(
                method,
                URL(url, encoded=True),
                headers={
                    **headers,
                    "accept": "application/json",
                    "accept-encoding": "identity",
                    "user-agent": "vncproxy",
                },
                skip_auto_headers=("content-type",),
                allow_redirects=False,
                raise_for_status=False,
                ssl=ssl_context,
                proxy=proxy.url if proxy else None,
                proxy_headers=_proxy_headers(proxy),
                # The one time limit is the one above.
                timeout=aiohttp.ClientTimeout(total=None),
            ) as response,
        ):
            body = bytearray()
            async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
                body += chunk
                if len(body) > max_bytes:
                    response.close()
                    return Failure("too-large", _too_large(max_bytes))
            names = {name.lower(): value for name, value in response.headers.items()}
            return Answer(response.status, names, bytes(body))
    except TimeoutError:
        failure = Failure(
            "timeout",
            transient(f"The ECS API didn't answer within {timeout_s:g} s. It is tried again."),
        )
    except aiohttp.ClientConnectorCertificateError as error:
        failure = Failure("certificate", _unverified(error.certificate_error))
    except (aiohttp.ClientError, OSError) as error:
        failure = _unreached(error)
    return failure


def _proxy_headers(proxy: Proxy | None) -> dict[str, str] | None:
    if proxy is None or proxy.authorization is None:
        return None
    return {"Proxy-Authorization": proxy.authorization}


def _too_large(max_bytes: int) -> CloudError:
    return transient(
        f"The answer of the ECS API is longer than {max_bytes} bytes. It is tried again."
    )


def _unverified(error: Exception) -> CloudError:
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _DATED:
        return permanent(
            "The certificate of the ECS API has expired or isn't valid yet. "
            "Check this machine's clock, and whether something intercepts TLS.",
            CERTIFICATE,
        )
    return permanent(
        "The certificate of the ECS API can't be verified. If a proxy of yours intercepts TLS, "
        "name its authority in aliyun.ca_file; else the connection isn't safe.",
        CERTIFICATE,
    )


def _unreached(error: Exception) -> Failure:
    match error:
        case aiohttp.ClientHttpProxyError():
            text = f"The proxy refused the connection to the ECS API (HTTP {error.status})."
            word = "proxy"
        case aiohttp.ClientProxyConnectionError():
            text, word = "The proxy for the ECS API can't be reached.", "proxy"
        case aiohttp.ClientConnectorDNSError():
            text, word = "The host of the ECS API isn't known to the name service.", "dns"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            text, word = "TLS with the ECS API failed.", "tls"
        case aiohttp.ClientConnectorError():
            text, word = "The ECS API can't be reached.", "unreachable"
        case _:
            text, word = "The connection to the ECS API broke off.", "broken"
    return Failure(word, transient(f"{text} It is tried again."))
