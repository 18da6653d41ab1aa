import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from chaos_go import targets
from chaos_go.agent.contract import Proxy
from chaos_go.errors import TargetError
from chaos_go.targets import pid as pid_target


def refusal(target: object) -> str:
    with pytest.raises(TargetError) as error:
        targets.parse(target)  # type: ignore[arg-type]
    message = str(error.value)
    assert message.startswith("target=")
    assert "\n" not in message
    return message


@contextmanager
def process(*families: socket.AddressFamily) -> Iterator[tuple[int, list[int]]]:
    """Start a process that listens on a free port for each family; give pid and ports."""
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
    place = targets.parse("port/8081")
    assert (place.name, place.kind, place.port, place.proxy) == ("port/8081", "port", 8081, None)
    assert place.agent_arguments == []
    assert place.slug == "port-8081"


@pytest.mark.parametrize(
    "port", ["0", "65536", "70000", "-1", "+80", "http", "", "8_0", "٨٠", "8" * 99]
)
def test_port_that_is_none(port: str) -> None:
    assert f"the port '{port[:5]}" in refusal(f"port/{port}")


@pytest.mark.parametrize(
    "target", ["users", "", "ports/8081", "Port/80", "deployment/users", "/80"]
)
def test_unknown_kind_names_the_known_ones(target: str) -> None:
    message = refusal(target)
    for known in ("port/8081, pid/1234,", "pid/1234:8081", "pid/1234->", "to/", "proxy/127.0.0.1"):
        assert known in message


@pytest.mark.parametrize("target", [8081, None, {"port": 8081}])
def test_target_that_is_no_text(target: object) -> None:
    assert "give a text like port/8081" in refusal(target)


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_pid_finds_the_port_of_its_process(family: socket.AddressFamily) -> None:
    if family == socket.AF_INET6 and not os.path.exists("/proc/self/net/if_inet6"):  # noqa: PTH110
        family = socket.AF_INET
    with process(family) as (pid, [port]):
        place = targets.parse(f"pid/{pid}")
    assert (place.name, place.port) == (f"pid/{pid}:{port}", port)
    assert place.agent_arguments == ["--netns-pid", str(pid)]
    assert place.slug == f"pid-{pid}-{port}"


def test_port_may_be_given_with_the_pid() -> None:
    assert targets.parse(f"pid/{os.getpid()}:8081").port == 8081


def test_several_ports_are_named() -> None:
    with process(socket.AF_INET, socket.AF_INET) as (pid, ports):
        message = refusal(f"pid/{pid}")
    low, high = sorted(ports)
    assert f"several ports ({low}, {high}); give one: pid/{pid}:{low}" in message


def test_process_that_does_not_listen() -> None:
    with process() as (pid, _):
        assert f"process {pid} listens on no TCP port" in refusal(f"pid/{pid}")


def test_process_that_is_not_there() -> None:
    with process() as (pid, _):
        pass
    assert f"there is no process {pid}" in refusal(f"pid/{pid}")
    assert f"there is no process {pid}" in refusal(f"pid/{pid}:8081")


@pytest.mark.parametrize(
    ("error", "message"),
    [(PermissionError(), "is not yours"), (FileNotFoundError(), "ended just now")],
)
def test_process_that_cannot_be_looked_at(
    error: Exception, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def raises(pid: int) -> Iterator[int]:
        raise error

    monkeypatch.setattr(pid_target, "_listening_ports", raises)
    assert message in refusal(f"pid/{os.getpid()}")


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "1.5", "9" * 12])
def test_pid_that_is_none(text: str) -> None:
    assert f"the pid '{text}' is not a number" in refusal(f"pid/{text}")


@pytest.mark.parametrize("port", ["", "0", "x"])
def test_pid_with_a_bad_port(port: str) -> None:
    assert f"the port '{port}'" in refusal(f"pid/{os.getpid()}:{port}")


@pytest.mark.parametrize(
    "to", ["users:8082", "127.0.0.1:8082", "[::1]:8082", "users.shop.svc.cluster.local:80"]
)
def test_calls(to: str) -> None:
    place = targets.parse(f"to/{to}")
    assert (place.name, place.kind, place.to) == (f"to/{to}", "to", to)
    assert (place.port, place.caller_pid, place.agent_arguments) == (0, 0, [])
    place = targets.parse(f"pid/{os.getpid()}->{to}")
    assert (place.name, place.kind, place.to) == (f"pid/{os.getpid()}->{to}", "pid", to)
    assert (place.port, place.caller_pid) == (0, os.getpid())
    assert place.agent_arguments == ["--netns-pid", str(os.getpid())]


def test_calls_are_named_after_caller_and_dependency() -> None:
    assert targets.parse("to/[::1]:8082").slug == "to-1-8082"
    assert targets.parse(f"pid/{os.getpid()}->users:80").slug == f"pid-{os.getpid()}-users-80"


@pytest.mark.parametrize(
    ("to", "message"),
    [
        ("users", "'users' is not host:port; give one like users:8082, IPv6 as [::1]:"),
        ("", "'' is not host:port"),
        (":8082", "':8082' is not host:port"),
        ("::1:8082", "'::1:8082' is not host:port"),
        ("[fe80::1%eth0]:80", "is not host:port"),
        ("http://users:80", "is not host:port"),
        ("users:0", "the port '0' is not a number"),
        ("users:x", "the port 'x' is not a number"),
        ("0.0.0.0:80", "0.0.0.0 is no address that can be called"),
        ("[::]:80", "is no address that can be called"),
        ("224.0.0.1:80", "is no address that can be called"),
    ],
)
def test_calls_that_cannot_be_meant(to: str, message: str) -> None:
    assert message in refusal(f"to/{to}")
    assert message in refusal(f"pid/{os.getpid()}->{to}")


def test_calls_of_a_process_that_is_not_there() -> None:
    with process() as (pid, _):
        pass
    assert f"there is no process {pid}" in refusal(f"pid/{pid}->users:8082")
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
    place = targets.parse(f"proxy/{listen}->{upstream}")
    assert place.proxy == Proxy(listen=listen, upstream=upstream)
    assert (place.port, place.agent_arguments) == (0, [])
    assert place.name == f"proxy/{listen}->{upstream}"


def test_proxy_is_named_after_what_clients_dial() -> None:
    assert targets.parse("proxy/[::1]:9081->b:1").slug == "proxy-1-9081"


@pytest.mark.parametrize("host", ["0.0.0.0", "[::]", "192.0.2.1", "localhost", "[2001:db8::1]"])
def test_proxy_is_no_open_relay(host: str) -> None:
    assert "must be a loopback address" in refusal(f"proxy/{host}:9081->127.0.0.1:8081")


@pytest.mark.parametrize(
    ("rest", "message"),
    [
        ("127.0.0.1:9081", "the -> is missing"),
        ("", "the -> is missing"),
        ("127.0.0.1->127.0.0.1:8081", "'127.0.0.1' is not host:port"),
        ("127.0.0.1:9081->", "'' is not host:port"),
        ("127.0.0.1:9081->:8081", "':8081' is not host:port"),
        ("127.0.0.1:9081->[]:8081", "'[]:8081' is not host:port"),
        ("::1:9081->b:8081", "IPv6 as [::1]:8081"),
        ("127.0.0.1:0->b:8081", "the port '0' is not a number"),
        ("127.0.0.1:9081->b:x", "the port 'x' is not a number"),
        ("127.0.0.1:9081->127.0.0.1:9081", "would dial itself"),
    ],
)
def test_proxy_that_cannot_be_meant(rest: str, message: str) -> None:
    assert message in refusal(f"proxy/{rest}")
