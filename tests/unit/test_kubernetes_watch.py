"""A collection is followed whatever the server does to the watch."""

import json
import threading
import time

import pytest
from api_server import serving, status

from chaos_go.errors import ClusterError, ForbiddenError
from chaos_go.kubernetes.watch import Follower

PODS = "/api/v1/namespaces/shop/pods"


def pod(name, version, **more):
    return {"metadata": {"name": name, "uid": name, "resourceVersion": version}, **more}


def event(kind, *args, **more):
    return {"type": kind, "object": pod(*args, **more)}


class Script:
    """Lists and watches in turn: each list is [version, pods], each watch a function.

    After the last one, lists stay the same and watches stay open and silent.
    """

    def __init__(self, lists, watches):
        self.lists, self.watches = list(lists), list(watches)
        self.over = threading.Event()

    def __call__(self, asked, out):
        if "watch" not in asked.query:
            version, pods = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
            out.json({"metadata": {"resourceVersion": version}, "items": pods})
        elif self.watches:
            self.watches.pop(0)(out)
        else:
            out.begin()
            self.over.wait(20)
            out.hang_up()


class Followed:
    """What a follower reports, until the `with` ends."""

    def __init__(self, lists, watches):
        self.script = Script(lists, watches)
        self.changes = []

    def __enter__(self):
        self._serving = serving(self.script)
        self.server = self._serving.__enter__()
        self.follower = Follower(self.server.client(), PODS, self.changes.append, "app=users")
        return self

    def __exit__(self, *raised):
        self.follower.stop()
        self.script.over.set()
        self._serving.__exit__(*raised)

    def seen(self):
        return [
            (x.object["metadata"]["name"], x.object["metadata"]["resourceVersion"], x.is_gone)
            for x in self.changes
        ]

    def wait_for(self, *expected):
        until_s = time.monotonic() + 10
        while self.seen() != list(expected) and time.monotonic() < until_s:
            time.sleep(0.01)
        assert self.seen() == list(expected)

    def queries(self, what):
        asked = [x.query for x in self.server.asked]
        return [x for x in asked if ("watch" in x) == (what == "watch")]


def stream(*parts, ends=True):
    """Return a watch that sends bytes as chunks, and events as lines."""

    def watch(out):
        out.begin()
        for part in parts:
            if isinstance(part, bytes):
                out.chunk(part)
            else:
                out.events(part)
        if ends:
            out.end()
        else:
            out.hang_up()

    return watch


A1 = ("a", "1", False)


def test_a_list_and_then_its_changes():
    events = event("ADDED", "b", "2"), event("MODIFIED", "a", "3"), event("DELETED", "b", "4")
    with Followed([("1", [pod("a", "1")])], [stream(*events)]) as followed:
        followed.wait_for(A1, ("b", "2", False), ("a", "3", False), ("b", "4", True))
        assert followed.queries("watch")[0] == {
            "labelSelector": "app=users",
            "resourceVersion": "1",
            "allowWatchBookmarks": "true",
            "watch": "1",
            "timeoutSeconds": "10",
        }


def test_a_watch_that_the_server_closes_goes_on_where_it_was():
    bookmark = event("BOOKMARK", "", "8")
    watches = [stream(event("ADDED", "b", "2"), bookmark), stream(event("ADDED", "c", "9"))]
    with Followed([("1", [pod("a", "1")])], watches) as followed:
        followed.wait_for(A1, ("b", "2", False), ("c", "9", False))
        assert [x["resourceVersion"] for x in followed.queries("watch")][:2] == ["1", "8"]
        assert len(followed.queries("list")) == 1


def gone_as_status(out):
    out.json(status(410, "too old resource version"), 410)


GONE_AS_EVENT = stream({"type": "ERROR", "object": status(410, "too old resource version")})


@pytest.mark.parametrize("gone", [gone_as_status, GONE_AS_EVENT], ids=["status", "event"])
def test_a_version_that_is_too_old_begins_with_a_new_list(gone):
    lists = [("1", [pod("a", "1"), pod("b", "1")]), ("7", [pod("a", "1"), pod("c", "6")])]
    with Followed(lists, [gone, stream(event("ADDED", "d", "8"))]) as followed:
        followed.wait_for(
            A1, ("b", "1", False), ("b", "1", True), ("c", "6", False), ("d", "8", False)
        )
        assert [x["resourceVersion"] for x in followed.queries("watch")][:2] == ["1", "7"]


LINE = json.dumps(event("ADDED", "b", "2")).encode()


@pytest.mark.parametrize(
    "broken",
    [
        stream(LINE[:20]),
        stream(LINE[:20], ends=False),
        stream(LINE, b"\n", b'{"type": "ADDED"}\n'),
        stream(b"[]\n"),
        stream(b"null\n"),
        stream(b"<html>a proxy</html>\n"),
        stream(b"\xff\xfe\n"),
        stream({"type": "ERROR", "object": status(500, "etcd is gone")}),
        stream({"type": "ERROR", "object": {}}),
        stream({"type": "ADDED", "object": {"metadata": {}}}),
        stream(),
        lambda out: out.hang_up(),
        lambda out: out.json(status(500), 500),
        lambda out: out.json(status(429), 429, Retry_After="1"),
        lambda out: out.text(200, "<html>log in</html>"),
    ],
    ids=[
        "half a line", "cut in a line", "no object", "no mapping", "null", "html line", "binary",
        "error", "empty error", "no uid", "nothing", "hang up", "500", "429", "html",
    ],
)  # fmt: skip
def test_whatever_breaks_a_watch_nothing_is_missed(broken):
    lists = [("1", [pod("a", "1")]), ("5", [pod("a", "1"), pod("b", "2"), pod("c", "5")])]
    with Followed(lists, [broken]) as followed:
        followed.wait_for(A1, ("b", "2", False), ("c", "5", False))


def test_events_may_be_cut_anywhere_into_chunks():
    line = json.dumps(event("ADDED", "b", "2", note="größer ✓"), ensure_ascii=False)
    both = f"{line}\n{line.replace('2', '3')}\r\n\n".encode()
    parts = [both[at : at + 1] for at in range(len(both))]
    with Followed([("1", [])], [stream(*parts)]) as followed:
        followed.wait_for(("b", "2", False), ("b", "3", False))
        assert followed.changes[0].object["note"] == "größer ✓"


def test_a_missing_permission_is_an_error_before_anything_is_followed():
    def forbidden(out):
        out.json(status(403, "user eve cannot watch"), 403)

    with pytest.raises(ForbiddenError, match="eve cannot watch") as refused:
        Followed([("1", [])], [forbidden]).__enter__()
    assert refused.value.verb == "watch"


def test_a_permission_that_is_lost_later_ends_nothing():
    def forbidden(out):
        out.json(status(403), 403)

    lists = [("1", []), ("5", [pod("a", "1")])]
    with Followed(lists, [stream(), forbidden]) as followed:
        followed.wait_for(A1)


def test_a_list_that_is_refused_is_an_error():
    with (
        serving(lambda asked, out: out.json(status(404, "no such kind"), 404)) as server,
        pytest.raises(ClusterError, match="no such kind"),
    ):
        Follower(server.client(), PODS, lambda change: None)


@pytest.mark.parametrize("ended", [stream(), gone_as_status], ids=["closed", "410"])
def test_a_server_that_ends_every_watch_at_once_is_not_flooded(ended):
    with Followed([("1", [])], [ended] * 100) as followed:
        begin_s = time.monotonic()
        time.sleep(1)
        later = [x for x in followed.server.asked if x.at_s > begin_s and "watch" in x.query]
        assert 1 <= len(later) <= 6


def test_a_fault_of_the_callback_does_not_end_it():
    seen = []

    def report(change):
        seen.append(change.object["metadata"]["name"])
        if len(seen) == 2:
            raise KeyError("in the callback")

    script = Script([("1", [pod("a", "1")]), ("3", [pod("a", "1"), pod("b", "2"), pod("c", "3")])],
                    [stream(event("ADDED", "b", "2"), event("ADDED", "c", "3"))])  # fmt: skip
    with serving(script) as server:
        follower = Follower(server.client(), PODS, report)
        until_s = time.monotonic() + 5
        while len(seen) < 3 and time.monotonic() < until_s:
            time.sleep(0.01)
        follower.stop()
        script.over.set()
    assert seen == ["a", "b", "c"]


def test_a_follower_that_was_stopped_reports_nothing_more():
    go = threading.Event()

    def later(out):
        out.begin()
        go.wait(10)
        out.events(event("ADDED", "b", "2"))
        out.end()

    with Followed([("1", [pod("a", "1")])], [later]) as followed:
        followed.follower.stop()
        go.set()
        time.sleep(0.3)
        assert followed.seen() == [A1]
