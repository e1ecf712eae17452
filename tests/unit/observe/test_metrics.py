"""What is counted, and that labels stay bounded."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from vncproxy.errors import CloseCode
from vncproxy.observe.metrics import CONTENT_TYPE, Metrics


def samples(metrics: Metrics) -> dict[tuple[str, tuple[str, ...]], float]:
    """Every sample by its name and its labels' values."""
    return {
        (s.name, tuple(s.labels.values())): s.value
        for family in text_string_to_metric_families(metrics.render().decode())
        for s in family.samples
    }


def test_gauges_fall_again_even_after_an_error() -> None:
    """Consoles, viewers, opaque consoles and classes count only while they last."""
    metrics = Metrics()
    with pytest.raises(RuntimeError), metrics.console(), metrics.viewer(), metrics.opaque():
        with metrics.viewer(), metrics.keepalive_class("pointer"):
            now = samples(metrics)
            assert now["vncproxy_consoles", ()] == 1
            assert now["vncproxy_viewers", ()] == 2
            assert now["vncproxy_opaque_consoles", ()] == 1
            assert now["vncproxy_keepalive_class_consoles", ("pointer",)] == 1
        raise RuntimeError
    after = samples(metrics)
    assert after["vncproxy_consoles", ()] == 0
    assert after["vncproxy_viewers", ()] == 0
    assert after["vncproxy_opaque_consoles", ()] == 0
    assert after["vncproxy_keepalive_class_consoles", ("pointer",)] == 0


def test_a_shared_ledger_that_is_away_shows() -> None:
    """1 until it is back."""
    metrics = Metrics()
    assert samples(metrics)["vncproxy_throttle_degraded", ()] == 0
    metrics.throttle_degraded(True)
    assert samples(metrics)["vncproxy_throttle_degraded", ()] == 1
    metrics.throttle_degraded(False)
    assert samples(metrics)["vncproxy_throttle_degraded", ()] == 0


def test_everything_is_counted_under_its_name() -> None:
    """Each method raises its own sample by what happened."""
    metrics = Metrics("1.2.3")
    metrics.link("running")
    metrics.dialled()
    metrics.dial_avoided()
    metrics.recorded("login")
    metrics.resumed()
    metrics.budget_waited(1.5)
    metrics.api_called("DescribeInstanceVncUrl", "ok")
    metrics.passed("to_viewers", 1000)
    metrics.passed("to_upstream", 10)
    metrics.keepalive_sent("request")
    metrics.refused("foreign-host")
    metrics.viewer_closed(CloseCode.UPSTREAM_LOST)
    metrics.keys_discarded(3)
    metrics.lagged(0.2)
    now = samples(metrics)
    assert now["vncproxy_build_info", ("1.2.3",)] == 1
    assert now["vncproxy_links_total", ("running",)] == 1
    assert now["vncproxy_links_total", ("lost",)] == 0
    assert now["vncproxy_dials_total", ()] == 1
    assert now["vncproxy_dials_avoided_total", ()] == 1
    assert now["vncproxy_audit_records_total", ("login",)] == 1
    assert now["vncproxy_resumes_total", ()] == 1
    assert now["vncproxy_budget_wait_seconds_sum", ()] == 1.5
    assert now["vncproxy_api_calls_total", ("DescribeInstanceVncUrl", "ok")] == 1
    assert now["vncproxy_rfb_bytes_total", ("to_viewers",)] == 1000
    assert now["vncproxy_rfb_bytes_total", ("to_upstream",)] == 10
    assert now["vncproxy_keepalives_total", ("request",)] == 1
    assert now["vncproxy_refusals_total", ("foreign-host",)] == 1
    assert now["vncproxy_viewer_closes_total", ("4504",)] == 1
    assert now["vncproxy_discarded_keys_total", ()] == 3
    assert now["vncproxy_event_loop_lag_seconds_count", ()] == 1
    assert now["process_resident_memory_bytes", ()] > 0


@pytest.mark.parametrize(
    ("code", "label"),
    [
        ("Throttling.User", "Throttling"),
        ("Forbidden.RAM", "Forbidden"),
        ("IncorrectInstanceStatus", "IncorrectInstanceStatus"),
        ("Whatever.The.Cloud.Invents", "other"),
        ("", "other"),
    ],
)
def test_codes_of_the_cloud_are_bounded(code: str, label: str) -> None:
    """Families are counted together, unknown codes as other."""
    metrics = Metrics()
    metrics.api_called("DescribeInstances", code)
    assert samples(metrics)["vncproxy_api_calls_total", ("DescribeInstances", label)] == 1


def test_labels_given_from_outside_are_bounded() -> None:
    """However many words, codes and actions come, the number of series has an end."""
    metrics = Metrics()
    for number in range(1000):
        metrics.refused(f"word-{number}")
        metrics.viewer_closed(3000 + number)
        metrics.api_called(f"Action{number}", f"Code{number}")
        metrics.keepalive_sent("Not a word" * number)
    now = samples(metrics)
    assert now["vncproxy_viewer_closes_total", ("other",)] == 1000
    assert now["vncproxy_api_calls_total", ("other", "other")] == 1000
    assert now["vncproxy_keepalives_total", ("other",)] == 1000
    assert now["vncproxy_refusals_total", ("other",)] == 1000 - 64
    assert len(now) < 400


def test_nothing_global_is_touched() -> None:
    """Two daemons in one process count apart, and the library's own registry stays out of it."""
    one, two = Metrics(), Metrics()
    one.dialled()
    assert samples(two)["vncproxy_dials_total", ()] == 0
    assert not [name for name in REGISTRY._names_to_collectors if name.startswith("vncproxy")]
    assert CONTENT_TYPE.startswith("text/plain")


def test_no_label_names_an_instance_or_a_user() -> None:
    """The set of label names is closed."""
    metrics = Metrics()
    labels = {
        label
        for family in text_string_to_metric_families(metrics.render().decode())
        if family.name.startswith("vncproxy")
        for sample in family.samples
        for label in sample.labels
    }
    assert labels <= {"version", "outcome", "action", "code", "direction", "kind", "word", "le"}


def test_whether_the_audit_can_be_written_is_asked_at_each_look() -> None:
    """Nobody has to tell of a change."""
    metrics = Metrics()
    full = False
    metrics.watch_audit(lambda: not full)
    assert "vncproxy_audit_writable 1.0" in metrics.render().decode()
    full = True
    assert "vncproxy_audit_writable 0.0" in metrics.render().decode()


async def test_what_a_leak_would_show_in() -> None:
    """Tasks, threads and descriptors are counted at each look."""
    metrics = Metrics()
    names = ["vncproxy_tasks", "vncproxy_threads", "vncproxy_file_descriptors"]
    before = [samples(metrics)[name, ()] for name in names]
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    task = asyncio.create_task(asyncio.sleep(60))
    with Path(os.devnull).open("rb"):
        now = [samples(metrics)[name, ()] for name in names]
    task.cancel()
    done.set()
    thread.join()
    assert [after - then for then, after in zip(before, now, strict=True)] == [1, 1, 1]
