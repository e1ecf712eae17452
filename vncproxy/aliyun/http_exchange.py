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
from vncproxy.aliyun.errors import CERTIFICATE, PROXY_REFUSED, TLS_REFUSED, permanent, transient
from vncproxy.aliyun.proxies import Proxy
from vncproxy.aliyun.socks import socks_faults
from vncproxy.aliyun.tls import refusal_by_alert, refused_in_words
from vncproxy.errors import CloudError, out_of_descriptors

_CHUNK_BYTES = 64 * 1024
# X509_V_ERR_CERT_NOT_YET_VALID and X509_V_ERR_CERT_HAS_EXPIRED of OpenSSL.
_DATED = {9, 10}


@dataclass(frozen=True, slots=True)
class Failure:
    """There was no answer.

    Args:
        word: For the log and the metrics, such as `timeout`.
    """

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

    Redirects aren't followed, answers aren't compressed.

    Args:
        session: A SOCKS proxy's own, where `proxy` is one.
        method: HTTP's.
        url: Encoded already, sent as it is.
        headers: Of the request, those of the signature included.
        ssl_context: For TLS with the API and with an https proxy.
        proxy: Which the request goes through; None: it goes directly.
        timeout_s: At most for all of it.
        max_bytes: A longer answer is a failure.
    """
    failure: Failure
    if proxy is not None and (why := proxy.standing_refusal) is not None:
        return Failure("proxy", permanent(why, PROXY_REFUSED))
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
                proxy=proxy.url if proxy and not proxy.socks else None,
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
        whose = _whose(error, proxy)
        failure = Failure("certificate", _unverified(error.certificate_error, whose))
    except (aiohttp.ClientError, OSError) as error:
        failure = _unreached(error, proxy, URL(url, encoded=True))
    except socks_faults() as error:
        failure = _unreached(error, proxy, URL(url, encoded=True))
    return failure


def _proxy_headers(proxy: Proxy | None) -> dict[str, str] | None:
    if proxy is None or proxy.authorization is None or proxy.socks:
        return None
    return {"Proxy-Authorization": proxy.authorization}


def _too_large(max_bytes: int) -> CloudError:
    return transient(
        f"The answer of the ECS API is longer than {max_bytes} bytes. It is tried again."
    )


def _unverified(error: Exception, whose: str) -> CloudError:
    if isinstance(error, ssl.SSLCertVerificationError) and error.verify_code in _DATED:
        return permanent(
            f"The certificate of {whose} has expired or isn't valid yet. "
            "Check this machine's clock, and whether something intercepts TLS.",
            CERTIFICATE,
        )
    return permanent(
        f"The certificate of {whose} can't be verified. If a proxy of yours intercepts TLS, "
        "name its authority in aliyun.ca_file; else the connection isn't safe.",
        CERTIFICATE,
    )


def _whose(error: Exception, proxy: Proxy | None) -> str:
    """Who is to blame, in words: the proxy, where the way to it was the trouble."""
    at_proxy = isinstance(error, aiohttp.ClientProxyConnectionError) or (
        proxy is not None
        and isinstance(
            error, aiohttp.ClientConnectorError | aiohttp.ClientConnectorCertificateError
        )
        and error.host == proxy.host
    )
    return proxy.named if proxy is not None and at_proxy else "the ECS API"


def _unreached(error: Exception, proxy: Proxy | None, url: URL) -> Failure:
    if proxy is not None and proxy.socks and isinstance(error.__cause__, ssl.SSLError):
        # As that connector raises it, of TLS with the API, with aiohttp's own around.
        error = error.__cause__
    whose = _whose(error, proxy)
    if isinstance(error, ssl.SSLCertVerificationError):
        return Failure("certificate", _unverified(error, whose))
    if (alert := refusal_by_alert(error)) is not None:
        return Failure("tls", permanent(refused_in_words(whose, alert), TLS_REFUSED))
    match error:
        case aiohttp.ClientHttpProxyError() if proxy is not None:
            why = proxy.refused(error.status, f"{url.host}:{url.port}")
            if why is not None:
                return Failure("proxy", permanent(why, PROXY_REFUSED))
            text = f"{proxy.named} didn't reach the ECS API (HTTP {error.status})."
            word = "proxy"
        case _ if proxy is not None and isinstance(error, socks_faults()):
            why = proxy.refused_by_socks(error, f"{url.host}:{url.port}")
            if why is not None:
                return Failure("proxy", permanent(why, PROXY_REFUSED))
            text, word = f"{proxy.named} didn't reach the ECS API, or isn't there.", "proxy"
        case _ if (shortage := out_of_descriptors(error)) is not None:
            text, word = f"the ECS API can't be asked: {shortage}.", "descriptors"
        case aiohttp.ClientConnectorDNSError():
            text, word = f"The name service doesn't know the host of {whose}.", "dns"
        case aiohttp.ClientProxyConnectionError():
            text, word = f"{whose} can't be reached.", "proxy"
        case aiohttp.ClientSSLError() | ssl.SSLError():
            text, word = f"TLS with {whose} failed.", "tls"
        case aiohttp.ClientConnectorError():
            text, word = f"{whose} can't be reached.", "unreachable"
        case _:
            text, word = "The connection to the ECS API broke off.", "broken"
    return Failure(word, transient(f"{text[0].upper()}{text[1:]} It is tried again."))
