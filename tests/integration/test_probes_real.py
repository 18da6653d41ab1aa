"""Probes and the traffic control with the real agent against a service of known behaviour."""

import http.server
import itertools
import json
import threading
import time

import pytest
from chaoslib.exceptions import ActivityFailed
from chaoslib.run import Runner
from chaoslib.types import Strategy

from probes import http as probes_http

pytestmark = pytest.mark.integration

TRIES = 6
SLOW_S = 0.2
RATE_RPS = 100.0
DURATION_S = 5.0


class Known(http.server.BaseHTTPRequestHandler):
    """Answers /ok at once, /slow every 20th time after 200 ms, /fails with 503, /hangs never."""

    protocol_version = "HTTP/1.1"
    numbers = itertools.count()

    def do_GET(self):
        """Answer one request; the path says how."""
        if self.path == "/slow" and next(self.numbers) % 20 == 0:
            time.sleep(SLOW_S)
        if self.path == "/hangs":
            time.sleep(2 * SLOW_S)
        body = b'{"decision":"reject"}'
        self.send_response(503 if self.path == "/fails" else 200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        """Log nothing."""


class Server(http.server.ThreadingHTTPServer):
    """Logs nothing about clients that give up."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_):
        """Ignore the error: a client that timed out at /hangs has closed its connection."""


@pytest.fixture(scope="module")
def service():
    with Server(("127.0.0.1", 0), Known) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def measured(probe, url, **load):
    """Call a probe; try again if it says that this machine could not send on time."""
    load = {"url": url, "rate_rps": RATE_RPS} | load
    for _ in range(TRIES - 1):
        try:
            return probe(load, duration_s=DURATION_S)
        except ActivityFailed as failure:
            if " late and " not in str(failure):
                raise
    return probe(load, duration_s=DURATION_S)


def test_p99_of_a_service_that_is_slow_every_twentieth_time(service):
    p99_ms = measured(probes_http.p99_ms, f"{service}/slow")
    assert 199 <= p99_ms < 1000


def test_error_rates_are_exact(service):
    assert measured(probes_http.error_rate, f"{service}/ok") == 0.0
    assert measured(probes_http.error_rate, f"{service}/fails") == 1.0


def test_timeouts_are_errors_and_their_p99_is_the_time_given_up(service):
    given_up = {"timeout_ms": 100.0}
    assert measured(probes_http.error_rate, f"{service}/hangs", **given_up) == 1.0
    assert 99 <= measured(probes_http.p99_ms, f"{service}/hangs", **given_up) < 1000


def test_nothing_listens_at_the_url(service):
    closed = "http://127.0.0.1:1/"
    assert measured(probes_http.error_rate, closed) == 1.0
    with pytest.raises(ActivityFailed, match=r"n=0 .*connection errors"):
        measured(probes_http.p99_ms, closed)


def test_a_name_that_does_not_resolve():
    with pytest.raises(ActivityFailed, match=r"nowhere\.invalid") as raised:
        probes_http.p99_ms({"url": "http://nowhere.invalid/"})
    assert "\n" not in str(raised.value)


def probe(func, **arguments):
    provider = {"type": "python", "module": "probes.traffic", "func": func}
    return {"type": "probe", "name": func, "provider": provider | {"arguments": arguments}}


def test_the_control_drives_traffic_for_a_whole_experiment(service):
    url = f"{service}/slow"
    impact = {"json_field": "decision", "json_value": "reject"}
    load = {"url": url, "rate_rps": RATE_RPS, "impact": impact}
    arguments = {"name": "known", "load": load}
    provider = {"type": "python", "module": "chaos_go.controls.traffic", "arguments": arguments}
    experiment = {
        "title": "t",
        "description": "d",
        "controls": [{"name": "traffic", "provider": provider}],
        "method": [
            probe("p99_detail", window_s=5),
            probe("error_rate", window_s=5),
            probe("impact_rate", window_s=5),
        ],
        "rollbacks": [],
    }
    for _ in range(TRIES):
        with Runner(Strategy.DEFAULT) as runner:
            journal = runner.run(experiment, settings={})
        problems = [run.get("exception", "") for run in journal["run"]]
        if not any(" late and " in str(problem) for problem in problems):
            break
    assert [run["status"] for run in journal["run"]] == ["succeeded"] * 3, problems
    p99, errors, impacts = (run["output"] for run in journal["run"])
    assert p99["low"] <= p99["value"] <= p99["high"]
    assert p99["window"]["intended"] == p99["window"]["seconds"] * RATE_RPS
    assert (errors, impacts) == (0.0, 1.0)
    json.dumps(journal)
    record = journal["chaos_go"]["traffic"]["known"]
    assert len(record["seconds"]) >= 5
    assert all(second["intended"] == RATE_RPS for second in record["seconds"][:5])
