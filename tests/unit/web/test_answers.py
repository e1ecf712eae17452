"""Answers in JSON, and refusals for people and programs."""

from __future__ import annotations

import msgspec
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from vncproxy.errors import AccessError, ConsoleElsewhere, LedgerError
from vncproxy.web.answers import http_refusal, json_answer, refusal, server_error, unavailable


def decoded(answer: web.Response) -> object:
    """The answer's JSON."""
    assert isinstance(answer.body, bytes)
    return msgspec.json.decode(answer.body)


def test_json() -> None:
    """The body is JSON and says so."""
    answer = json_answer({"a": [1, None]}, 202)
    assert (answer.status, answer.content_type) == (202, "application/json")
    assert decoded(answer) == {"a": [1, None]}


def test_a_refusal_for_programs() -> None:
    """Status, word, sentence and how long to wait; whole seconds, rounded up, in the header."""
    error = AccessError(429, "too-many-viewers", "Too many.", 2.2)
    answer = refusal(make_mocked_request("GET", "/"), error)
    assert answer.status == 429
    assert answer.headers["Retry-After"] == "3"
    assert decoded(answer) == {
        "error": {
            "status": 429,
            "word": "too-many-viewers",
            "text": "Too many.",
            "retry_after_s": 2.2,
        }
    }


def test_another_daemon_is_named_with_the_console_s_address() -> None:
    """Where it is known; a name in it can't be anything but a name."""
    request = make_mocked_request("GET", "/api/v1/consoles/x/admission")
    request.match_info["instance"] = "web 1/../?"
    there = ConsoleElsewhere("bastion-2", "https://b2.example.com/vnc/", pass_on=True)
    body = msgspec.json.decode(refusal(request, there).body)  # type: ignore[arg-type]
    assert body["error"]["elsewhere"] == {
        "name": "bastion-2",
        "url": "https://b2.example.com/vnc/",
        "console": "https://b2.example.com/vnc/console/web%201%2F..%2F%3F",
        "pass_on": True,
    }
    somewhere = ConsoleElsewhere("bastion-2", pass_on=True)
    body = msgspec.json.decode(refusal(request, somewhere).body)  # type: ignore[arg-type]
    assert body["error"]["elsewhere"] == {
        "name": "bastion-2",
        "url": None,
        "console": None,
        "pass_on": False,
    }


def test_a_refusal_for_people() -> None:
    """Who navigates to a page reads a sentence on one, with a way back; it can't become markup."""
    request = make_mocked_request("GET", "/", {"Accept": "text/html"}, app=web.Application())
    answer = refusal(request, AccessError(401, "log-in", "Log in <first>."))
    assert (answer.status, answer.content_type, answer.charset) == (401, "text/html", "utf-8")
    assert answer.text is not None
    assert "<h1>Log in first</h1>" in answer.text
    assert "<p>Log in &lt;first&gt;.</p>" in answer.text
    assert 'href="/"' in answer.text
    assert "{{" not in answer.text
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="vncproxy"'
    assert "Retry-After" not in answer.headers


def test_the_librarys_refusals_have_words() -> None:
    """Known statuses have their word, the others a common one."""
    found = [(http_refusal(status, "Why").word) for status in (404, 405, 413, 400)]
    assert found == ["not-found", "method-not-allowed", "too-large", "refused"]


def test_faults_have_statuses() -> None:
    """500 tells nothing, 503 tells the public text."""
    assert (server_error().status, server_error().word) == (500, "internal")
    error = unavailable(LedgerError("the ledger can't be written"))
    assert (error.status, error.public_text) == (503, "the ledger can't be written")
