"""Requests to the API server: what is sent again, for how long, and what an error says."""

import time

import pytest
from api_server import serving, status

from chaos_go.errors import ClusterError, ForbiddenError
from chaos_go.kubernetes import client as clients
from chaos_go.kubernetes import patience
from chaos_go.kubernetes.client import refused_by_budget

PODS = "/api/v1/namespaces/shop/pods"
BUDGET = status(
    429,
    "Cannot evict pod as it would violate the pod's disruption budget.",
    details={"causes": [{"reason": "DisruptionBudget", "message": "users needs 2 healthy pods"}]},
)


def in_turn(*answers):
    """Return what gives one answer after another, and the last one for ever."""
    left = list(answers)

    def answer(asked, out):
        (left.pop(0) if len(left) > 1 else left[0])(out)

    return answer


def refuse(code, **headers):
    return lambda out: out.json(status(code), code, **headers)


def good(out):
    out.json({"kind": "Pod"})


@pytest.mark.parametrize("code", [429, 500, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(code):
    with serving(in_turn(refuse(code), refuse(code), good)) as server:
        assert server.client().get(PODS) == {"kind": "Pod"}
        assert len(server.asked) == 3


@pytest.mark.parametrize("code", [400, 404, 409, 410, 422])
def test_other_refusals_are_final(code):
    with serving(in_turn(refuse(code))) as server:
        with pytest.raises(ClusterError, match=f"answers {code} to get {PODS}: no") as refused:
            server.client().get(PODS)
        assert (refused.value.status, len(server.asked)) == (code, 1)


def test_retry_after_is_heeded():
    with serving(in_turn(refuse(429, Retry_After="1"), good)) as server:
        server.client().get(PODS)
        assert server.asked[1].at_s - server.asked[0].at_s >= 1


@pytest.mark.parametrize("header", ["3600", "Wed, 21 Oct 2099 07:28:00 GMT"])
def test_nobody_waits_an_hour_because_the_server_says_so(monkeypatch, header):
    monkeypatch.setattr(patience, "LONGEST_PAUSE_S", 0.2)
    with serving(in_turn(refuse(503, Retry_After=header), good)) as server:
        server.client().get(PODS)
        assert server.asked[1].at_s - server.asked[0].at_s < 5


def test_a_retry_after_that_is_none_is_ignored():
    with serving(in_turn(refuse(503, Retry_After="soon"), good)) as server:
        assert server.client().get(PODS) == {"kind": "Pod"}


def test_a_storm_ends_with_its_last_answer(monkeypatch):
    monkeypatch.setattr(patience, "LONGEST_S", 0.5)
    with serving(in_turn(refuse(429))) as server:
        began_s = time.monotonic()
        with pytest.raises(ClusterError, match=f"answers 429 to get {PODS}"):
            server.client().get(PODS)
        assert 0.5 < time.monotonic() - began_s < 5


def test_a_frozen_server_costs_a_bounded_time(monkeypatch):
    monkeypatch.setattr(patience, "LONGEST_S", 0.5)
    monkeypatch.setattr(clients, "_READ_S", 0.2)
    with serving(lambda asked, out: time.sleep(30)) as server:
        began_s = time.monotonic()
        with pytest.raises(ClusterError, match=r"does not answer after \d+\.\d s: .*timed out"):
            server.client().get(PODS)
        assert time.monotonic() - began_s < 5


def test_nobody_listens(monkeypatch):
    monkeypatch.setattr(patience, "LONGEST_S", 0.3)
    with serving(in_turn(good)) as server:
        client = server.client()
    with pytest.raises(ClusterError, match=r"does not answer after .* refused") as refused:
        client.get(PODS)
    assert refused.value.status == 0


def test_401_says_what_to_do():
    with serving(in_turn(refuse(401))) as server, pytest.raises(ClusterError, match="renew the"):
        server.client().get(PODS)


def test_403_names_verb_and_resource():
    with serving(in_turn(refuse(403))) as server:
        with pytest.raises(ForbiddenError) as refused:
            server.client().delete(f"{PODS}/users-0")
        assert (refused.value.verb, refused.value.path) == ("delete", f"{PODS}/users-0")
        with pytest.raises(ForbiddenError, match=r"list .*pods"):
            server.client().items(PODS)


@pytest.mark.parametrize("body", ["<html>log in</html>", "[]", "null", '"ok"', ""])
def test_what_is_no_api_server_is_named(body):
    fix = "no JSON object; is this the address of an API server"
    with (
        serving(lambda asked, out: out.text(200, body)) as server,
        pytest.raises(ClusterError, match=fix),
    ):
        server.client().get(PODS)


@pytest.mark.parametrize("body", ["<html>log in</html>", "[1]", "null", ""])
def test_a_refusal_of_something_else_is_read_as_well(body):
    with (
        serving(lambda asked, out: out.text(404, body)) as server,
        pytest.raises(ClusterError, match="answers 404 to get"),
    ):
        server.client().get(PODS)


def test_a_redirect_is_not_followed_with_the_token():
    with serving(lambda asked, out: out.text(302, "", Location="/elsewhere")) as server:
        with pytest.raises(ClusterError, match="answers 302"):
            server.client().get(PODS)
        assert [asked.path for asked in server.asked] == [PODS]


def test_a_creation_is_repeated_only_if_nothing_was_done(monkeypatch):
    monkeypatch.setattr(clients, "_BUSY_PAUSE_S", 0.01)
    busy = [lambda out: out.text(429, "Too many requests, please try again later.")] * 2
    with serving(in_turn(*busy, good)) as server:
        server.client().create(PODS, {})
        assert len(server.asked) == 3


@pytest.mark.parametrize(
    "broken", [refuse(500), refuse(503), lambda out: out.hang_up()], ids=["500", "503", "cut"]
)
def test_a_creation_that_may_have_been_done_is_not_repeated(broken):
    with serving(in_turn(broken, good)) as server:
        with pytest.raises(ClusterError):
            server.client().create(PODS, {})
        assert len(server.asked) == 1


def test_the_429_of_a_budget_is_an_answer():
    with serving(lambda asked, out: out.json(BUDGET, 429, Retry_After="10")) as server:
        with pytest.raises(ClusterError) as refused:
            server.client().create(f"{PODS}/users-0/eviction", {})
        assert refused_by_budget(refused.value)
        assert len(server.asked) == 1


def test_the_429_of_a_busy_server_is_no_budget(monkeypatch):
    monkeypatch.setattr(patience, "LONGEST_S", 0.1)
    monkeypatch.setattr(clients, "_BUSY_PAUSE_S", 0.05)
    with serving(in_turn(refuse(429))) as server:
        with pytest.raises(ClusterError) as refused:
            server.client().create(f"{PODS}/users-0/eviction", {})
        assert not refused_by_budget(refused.value)
        assert len(server.asked) > 1


@pytest.mark.parametrize(
    ("before", "repeated"),
    [
        (lambda out: out.hang_up(), True),
        (refuse(500), True),
        (refuse(429), False),
        (None, False),
    ],
    ids=["cut", "500", "429", "first"],
)
def test_a_pod_that_is_gone_at_the_second_try_may_have_been_deleted_by_the_first(before, repeated):
    answers = [refuse(404)] if before is None else [before, refuse(404)]
    with serving(in_turn(*answers)) as server:
        with pytest.raises(ClusterError) as refused:
            server.client().delete(f"{PODS}/users-0")
        assert (refused.value.status, refused.value.was_repeated) == (404, repeated)


def pages(asked, out):
    after = {None: ("a", "1"), "1": ("b", "2"), "2": ("c", "")}[asked.query.get("continue")]
    meta = {"resourceVersion": "7", "continue": after[1]}
    out.json({"metadata": meta, "items": [{"name": after[0]}]})


def test_a_collection_is_read_in_pages():
    with serving(pages) as server:
        items, version = server.client().items(PODS, labelSelector="app=users")
        assert ([item["name"] for item in items], version) == (["a", "b", "c"], "7")
        assert {asked.query["labelSelector"] for asked in server.asked} == {"app=users"}


def test_pages_that_have_expired_are_read_at_once():
    def answer(asked, out):
        if "limit" not in asked.query:
            out.json({"metadata": {"resourceVersion": "9"}, "items": [{"name": "all"}]})
        elif "continue" in asked.query:
            out.json(status(410, "the continue token has expired"), 410)
        else:
            out.json({"metadata": {"continue": "1"}, "items": [{"name": "a"}]})

    with serving(answer) as server:
        assert server.client().items(PODS) == ([{"name": "all"}], "9")


@pytest.mark.parametrize(("code", "answers"), [(200, True), (403, True), (404, True), (503, False)])
def test_a_ping_asks_once_whether_the_server_works(code, answers):
    with serving(lambda asked, out: out.json({}, code)) as server:
        client = server.client()
        if answers:
            client.ping()
        else:
            with pytest.raises(ClusterError):
                client.ping()
        assert len(server.asked) == 1


def test_a_proxy_is_not_used_for_what_no_proxy_names():
    with serving(in_turn(good)) as server:
        client = server.client()
        configuration = client.configuration
        configuration.proxy, configuration.no_proxy = "http://127.0.0.1:1", "127.0.0.1"
        assert clients.Client(configuration, "default").get(PODS) == {"kind": "Pod"}
