import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from chaos_go import targets
from chaos_go.agent import binary, judge
from chaos_go.agent.contract import Proxy, Way
from chaos_go.agent.place import LocalReach, Place
from chaos_go.errors import TargetError
from chaos_go.faults import http
from chaos_go.targets import pid as pid_target


def places(target: str) -> tuple[Place, ...]:
    return targets.read(target).places()


def place(target: str) -> Place:
    """Return the only place of a target; check that it agrees with what its text alone tells."""
    read = targets.read(target)
    (only,) = read.places()
    assert read.ways in ((), (only.way,))
    return only


def told(error: TargetError) -> str:
    message = str(error)
    assert message.startswith("target=")
    assert "\n" not in message
    return message


def refusal(target: object) -> str:
    """Return why a text is not a target; nothing is looked up."""
    with pytest.raises(TargetError) as error:
        targets.read(target)
    return told(error.value)


def absence(target: str) -> str:
    """Return why a target has no place."""
    read = targets.read(target)
    with pytest.raises(TargetError) as error:
        read.places()
    return told(error.value)


def judgement(target: str) -> str:
    """Return the agent's message about a target that only the agent can judge."""
    errors = judge.judge(http.abort.request(target).specs())
    (error,) = [error for error in errors if error]
    assert isinstance(error, TargetError)
    return told(error)


@contextmanager
def process(*families: socket.AddressFamily) -> Iterator[tuple[int, list[int]]]:
    """Start a process that listens on a free port for each family; return pid and ports."""
    with ExitStack() as stack:
        listeners = [stack.enter_context(socket.socket(family)) for family in families]
        for listener in listeners:
            listener.bind(("::1" if listener.family == socket.AF_INET6 else "127.0.0.1", 0))
            listener.listen()
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; sys.stdin.read()"],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno() for listener in listeners],
        )
        try:
            yield child.pid, [listener.getsockname()[1] for listener in listeners]
        finally:
            child.communicate()


def test_port() -> None:
    assert place("port/8081") == Place("port/8081", LocalReach(), Way(port=8081))
    assert targets.read("port/8081").slug == "port-8081"


def test_several_ports_are_a_place_each_in_the_order_given() -> None:
    target = targets.read("port/8082,8081,9000")
    assert target.ways == (Way(port=8082), Way(port=8081), Way(port=9000))
    assert target.places() == (
        Place("port/8082", LocalReach(), Way(port=8082)),
        Place("port/8081", LocalReach(), Way(port=8081)),
        Place("port/9000", LocalReach(), Way(port=9000)),
    )
    assert target.slug == "port-8082-8081-9000"


@pytest.mark.parametrize("target", ["port/8081,8081", "pid/1:80,81,80"])
def test_a_port_that_is_given_twice(target: str) -> None:
    assert f"target='{target}': a port is given twice" in refusal(target)


@pytest.mark.parametrize(
    "ports", ["8081,", ",8081", "8081,,8082", "8081, 8082", "8081;8082", "0,1"]
)
def test_invalid_lists_of_ports(ports: str) -> None:
    assert "is not a number from 1 to 65535" in refusal(f"port/{ports}")
    assert "is not a number from 1 to 65535" in refusal(f"pid/1:{ports}")


@pytest.mark.parametrize("port", ["0", "00", "-1", "+80", "http", "", "8_0", "٨٠", "8" * 99])
def test_invalid_ports(port: str) -> None:
    assert f"the port '{port[:5]}" in refusal(f"port/{port}")


@pytest.mark.parametrize("port", ["65536", "70000", "8081,70000", "999999999"])
def test_port_that_is_too_large_is_judged_by_the_agent(port: str) -> None:
    wrong = port.rpartition(",")[2]
    assert judgement(f"port/{port}") == f"target={wrong}: not a port; give 1 to 65535"
    assert judgement(f"pid/1:{port}") == f"target={wrong}: not a port; give 1 to 65535"


@pytest.mark.parametrize("target", ["users", "", "/80", "host/a"])
def test_unknown_kind_names_the_known_ones(target: str) -> None:
    message = refusal(target)
    assert "port/8081, pid/1234, to/users:8082, proxy/127.0.0.1:9081->127.0.0.1:8081" in message
    assert "deployment/shop/users, pods/shop/app=users" in message


@pytest.mark.parametrize(
    ("target", "kind"),
    [("ports/8081", "port"), ("Port/80", "port"), ("deploymnt/users", "deployment")],
)
def test_misspelt_kind_names_the_nearest(target: str, kind: str) -> None:
    assert f"unknown kind of target; did you mean {kind}/...?" in refusal(target)


@pytest.mark.parametrize("target", [8081, None, {"port": 8081}])
def test_target_that_is_not_a_text(target: object) -> None:
    assert "give a text like port/8081" in refusal(target)


def test_text_that_is_not_unicode() -> None:
    assert "must be UTF-8" in refusal("to/\udc80:80")


def test_every_form_of_the_grammar_can_be_read_without_looking_anything_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pid_target, "Path", None)
    monkeypatch.setenv(binary.OVERRIDE, "/nonexistent/agent")
    forms = targets.describe()
    assert len(forms) >= 7
    assert {form.partition("/")[0] for form, _ in forms} == set(targets.GRAMMAR)
    for form, meaning in forms:
        read = targets.read(form)
        assert read.text == form
        assert read.slug.startswith(form.partition("/")[0])
        one_is_named = form.partition("/")[0] in ("pod", "node")
        assert read.most_percentage == (50 if read.no_traffic and not one_is_named else 100)
        assert meaning


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_pid_finds_the_port_of_its_process(family: socket.AddressFamily) -> None:
    if family == socket.AF_INET6 and not os.path.exists("/proc/self/net/if_inet6"):  # noqa: PTH110
        family = socket.AF_INET
    with process(family) as (pid, [port]):
        found = place(f"pid/{pid}")
    assert found == Place(f"pid/{pid}:{port}", LocalReach(netns_pid=pid), Way(port=port))
    assert targets.read(f"pid/{pid}").ways == ()
    assert targets.read(f"pid/{pid}").slug == f"pid-{pid}"


def test_port_may_be_given_with_the_pid() -> None:
    pid = os.getpid()
    reach = LocalReach(netns_pid=pid)
    assert place(f"pid/{pid}:8081") == Place(f"pid/{pid}:8081", reach, Way(port=8081))
    assert places(f"pid/{pid}:8081,8082") == (
        Place(f"pid/{pid}:8081", reach, Way(port=8081)),
        Place(f"pid/{pid}:8082", reach, Way(port=8082)),
    )
    assert targets.read(f"pid/{pid}:8081").slug == f"pid-{pid}-8081"


def test_several_ports_are_named() -> None:
    with process(socket.AF_INET, socket.AF_INET) as (pid, ports):
        message = absence(f"pid/{pid}")
    low, high = sorted(ports)
    assert f"several ports ({low}, {high}); give one: pid/{pid}:{low}" in message


def test_process_that_does_not_listen() -> None:
    with process() as (pid, _):
        assert f"process {pid} listens on no TCP port" in absence(f"pid/{pid}")


def test_process_that_does_not_exist() -> None:
    with process() as (pid, _):
        pass
    assert f"there is no process {pid}" in absence(f"pid/{pid}")
    assert f"there is no process {pid}" in absence(f"pid/{pid}:8081")


@pytest.mark.parametrize(
    ("error", "message"),
    [(PermissionError(), "is not yours"), (FileNotFoundError(), "has just ended")],
)
def test_process_whose_ports_cannot_be_read(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(pid: int) -> Iterator[int]:
        raise error

    monkeypatch.setattr(pid_target, "_listening_ports", raises)
    assert message in absence(f"pid/{os.getpid()}")


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "1.5", "9" * 12, "٨", str(2**31)])
def test_invalid_pids(text: str) -> None:
    assert f"the pid '{text}' is not a number" in refusal(f"pid/{text}")


@pytest.mark.parametrize("port", ["", "0", "x"])
def test_pid_with_a_bad_port(port: str) -> None:
    assert f"the port '{port}'" in refusal(f"pid/{os.getpid()}:{port}")


@pytest.mark.parametrize(
    "to", ["users:8082", "127.0.0.1:8082", "[::1]:8082", "users.shop.svc.cluster.local:80"]
)
def test_calls(to: str) -> None:
    assert place(f"to/{to}") == Place(f"to/{to}", LocalReach(), Way(to=to))
    pid = os.getpid()
    assert place(f"pid/{pid}->{to}") == Place(
        f"pid/{pid}->{to}", LocalReach(netns_pid=pid), Way(to=to, caller_pid=pid)
    )
    asked = [http.abort.request(f"{by}{to}").specs()[0] for by in ("to/", f"pid/{pid}->")]
    assert judge.judge(asked) == [None, None]


def test_calls_are_named_after_caller_and_dependency() -> None:
    assert targets.read("to/[::1]:8082").slug == "to-1-8082"
    assert targets.read(f"pid/{os.getpid()}->users:80").slug == f"pid-{os.getpid()}-users-80"


def test_calls_without_a_dependency() -> None:
    assert "HOST:PORT is missing; give one like to/users:8082" in refusal("to/")
    assert "HOST:PORT is missing after the ->" in refusal("pid/1->")


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("users", "target='users': not host:port; give one like users:8082, 127.0.0.1:8082 or [::"),
        (":8082", "':8082': not host:port"),
        ("::1:8082", "'::1:8082': not host:port"),
        ("[fe80::1%eth0]:80", "not host:port"),
        ("http://users:80", "not host:port"),
        ("users:0", "target='users:0': not host:port"),
        ("users:x", "target='users:x': not host:port"),
        ("0.0.0.0:80", "target='0.0.0.0:80': not an address that can be called"),
        ("[::]:80", "not an address that can be called"),
        ("224.0.0.1:80", "not an address that can be called"),
    ],
)
def test_invalid_calls_are_judged_by_the_agent(to: str, message: str) -> None:
    assert message in judgement(f"to/{to}")
    assert message in judgement(f"pid/{os.getpid()}->{to}")


def test_calls_of_a_process_that_does_not_exist() -> None:
    with process() as (pid, _):
        pass
    assert f"there is no process {pid}" in absence(f"pid/{pid}->users:8082")
    assert "the pid 'x' is not a number" in refusal("pid/x->users:8082")


@pytest.mark.parametrize(
    ("listen", "upstream"),
    [
        ("127.0.0.1:9081", "127.0.0.1:8081"),
        ("127.9.9.9:9081", "users.example:8081"),
        ("[::1]:9081", "[2001:db8::1]:8081"),
    ],
)
def test_proxy(listen: str, upstream: str) -> None:
    target = f"proxy/{listen}->{upstream}"
    way = Way(proxy=Proxy(listen=listen, upstream=upstream))
    assert place(target) == Place(target, LocalReach(), way)
    assert judge.judge(http.abort.request(target).specs()) == [None]


def test_proxy_is_named_after_what_clients_dial() -> None:
    assert targets.read("proxy/[::1]:9081->b:1").slug == "proxy-1-9081"


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "localhost", "[2001:db8::1]"])
def test_proxy_must_listen_on_loopback(host: str) -> None:
    message = judgement(f"proxy/{host}:9081->127.0.0.1:8081")
    assert f"target='{host}:9081': not a loopback address" in message


@pytest.mark.parametrize("rest", ["127.0.0.1:9081", "", "127.0.0.1:9081-127.0.0.1:8081"])
def test_proxy_without_an_arrow(rest: str) -> None:
    assert "the -> is missing" in refusal(f"proxy/{rest}")


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("127.0.0.1->127.0.0.1:8081", "target='127.0.0.1': not host:port"),
        ("->127.0.0.1:8081", "target='': not host:port"),
        ("127.0.0.1:9081->", "target='': not host:port"),
        ("127.0.0.1:9081->:8081", "target=':8081': not host:port"),
        ("127.0.0.1:9081->[]:8081", "target='[]:8081': not host:port"),
        ("::1:9081->b:8081", "target='::1:9081': not host:port"),
        ("127.0.0.1:0->b:8081", "target='127.0.0.1:0': not host:port"),
        ("127.0.0.1:9081->b:x", "target='b:x': not host:port"),
        ("127.0.0.1:9081->127.0.0.1:9081", "target='127.0.0.1:9081': the proxy would dial itself"),
    ],
)
def test_invalid_proxy_is_judged_by_the_agent(rest: str, message: str) -> None:
    assert message in judgement(f"proxy/{rest}")
    assert "; " in judgement(f"proxy/{rest}")
