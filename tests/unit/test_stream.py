"""A stream into a pod is a channel to an agent, whatever the other end does."""

import json
import socket
import threading
import time

import pytest
from exec_server import (
    END_OF_STDIN,
    STATUS,
    STDERR,
    STDIN,
    Process,
    exec_server,
    lines_of,
    wait_until,
)
from kubernetes.client import Configuration

from chaos_go.errors import BadInputError, ClusterError, ForbiddenError
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.stream import run_in_pod


def echo(process: Process) -> None:
    while (message := process.hear()) != END_OF_STDIN:
        process.say(message[1:])
    process.exit(0)


def test_lines_go_both_ways_and_the_end_of_input_ends_it():
    with exec_server(echo) as server:
        channel = server.start("/chaos-agent", "load")
        channel.send("one")
        channel.send("zwei äöü")
        assert (channel.receive(), channel.receive()) == ("one", "zwei äöü")
        channel.close()
        assert lines_of(channel) == []
        assert channel.wait(5) == 0
        assert channel.receive() is None
        with pytest.raises(BrokenPipeError):
            channel.send("too late")


def test_the_request_names_the_container_and_the_command():
    with exec_server(lambda process: process.exit(0)) as server:
        server.start("/chaos-agent", "a b&c").wait(5)
        assert server.requests[0].path == (
            "/api/v1/namespaces/shop/pods/users-0/exec?container=agent&command=%2Fchaos-agent"
            "&command=a+b%26c&stdin=true&stdout=true&stderr=true"
        )


def test_a_token_is_renewed_for_each_stream():
    def renew(configuration: Configuration) -> None:
        configuration.api_key["authorization"] = f"token-{len(server.requests)}"

    with exec_server(lambda process: process.exit(0)) as server:
        server.client.configuration.api_key_prefix["authorization"] = "Bearer"
        server.client.configuration.refresh_api_key_hook = renew
        for _ in range(2):
            server.start().wait(5)
        sent = [request.headers["Authorization"] for request in server.requests]
        assert sent == ["Bearer token-0", "Bearer token-1"]


def test_lines_do_not_depend_on_messages():
    def run(process: Process) -> None:
        for part in ("fir", "st\nsec", "ond\n", "\nlast without an end"):
            process.say(part)
        process.exit(0)

    with exec_server(run) as server:
        expected = ["first", "second", "", "last without an end"]
        assert lines_of(server.start()) == expected


@pytest.mark.parametrize(("code", "expected"), [(0, 0), (3, 3), (137, -9), (143, -15)])
def test_exit_codes(code, expected):
    with exec_server(lambda process: process.exit(code)) as server:
        assert server.start().wait(5) == expected


def test_stderr_is_kept_to_its_end():
    def run(process: Process) -> None:
        process.say("x" * 10_000, STDERR)
        process.say("chaos-agent: no\n", STDERR)
        process.exit(2)

    with exec_server(run) as server:
        channel = server.start()
        assert channel.wait(5) == 2
        said = channel.complaints()
        assert said.endswith("xchaos-agent: no")
        assert len(said) < 5000


def test_a_program_that_cannot_be_started_has_no_exit_code():
    def run(process: Process) -> None:
        said = "OCI runtime exec failed: no such file"
        process.say(json.dumps({"status": "Failure", "message": said}), STATUS)

    with exec_server(run) as server:
        channel = server.start()
        assert channel.wait(5) is None
        assert "OCI runtime exec failed" in channel.complaints()


@pytest.mark.parametrize("status", ["", "no JSON", "[]", '{"status": "Failure"}'])
def test_a_stream_that_is_cut_has_no_exit_code(status):
    def run(process: Process) -> None:
        process.say("half a li")
        process.say(status, STATUS)
        process.cut()

    with exec_server(run) as server:
        channel = server.start()
        assert lines_of(channel) == ["half a li"]
        assert channel.wait(5) is None
        assert "connection was closed" in channel.complaints()
        with pytest.raises(OSError, match="closed"):
            channel.send("x")


def test_kill_cuts_the_stream_at_once():
    heard = threading.Event()

    def run(process: Process) -> None:
        try:
            process.hear()
        finally:
            heard.set()

    with exec_server(run) as server:
        channel = server.start()
        with pytest.raises(TimeoutError):
            channel.wait(0.1)
        channel.kill()
        assert channel.wait(5) is None
        assert heard.wait(5)
        assert lines_of(channel) == []


def test_the_older_protocol_ends_the_whole_stream_at_the_end_of_input():
    with exec_server(echo, protocols=("v4.channel.k8s.io",)) as server:
        channel = server.start()
        channel.send("one")
        assert channel.receive() == "one"
        channel.close()
        assert channel.wait(5) is None
        assert "closed" in channel.complaints()


def test_a_server_of_another_protocol_is_refused():
    with (
        exec_server(echo, protocols=("v3.channel.k8s.io",)) as server,
        pytest.raises(ClusterError, match=r"v5\.channel\.k8s\.io|subprotocol"),
    ):
        server.start()


@pytest.mark.parametrize(
    ("said", "verb"),
    [
        ('pods "users-0" is forbidden: User "eve" cannot get resource "pods/exec"', "get"),
        ('pods "users-0" is forbidden: ', "create"),
    ],
)
def test_a_missing_permission_names_the_verb(said, verb):
    with exec_server(echo) as server:
        server.answers, server.said = [403], said
        with pytest.raises(ForbiddenError) as refused:
            server.start()
        assert refused.value.verb == verb
        assert refused.value.path == "/api/v1/namespaces/shop/pods/users-0/exec"
        assert "pods" in str(refused.value)


def test_other_refusals_have_the_words_of_the_server():
    with exec_server(echo) as server:
        server.answers, server.said = [404], 'pods "users-0" not found'
        with pytest.raises(ClusterError, match='answers 404 .*pods "users-0" not found') as refused:
            server.start()
        assert refused.value.status == 404


def test_a_busy_server_is_asked_again():
    with exec_server(echo) as server:
        server.answers = [429, 503]
        channel = server.start()
        channel.send("x")
        assert channel.receive() == "x"
        channel.kill()
        assert len(server.requests) == 3


def test_a_server_that_stays_busy_is_an_error_in_time():
    with exec_server(echo) as server:
        server.answers = [500] * 99
        began = time.monotonic()
        with pytest.raises(ClusterError, match="answers 500"):
            server.start(timeout_s=1)
        assert time.monotonic() - began < 2


def silent() -> socket.socket:
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    return listener


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_silent_server_is_an_error_in_time(scheme):
    with silent() as listener:
        host = f"{scheme}://127.0.0.1:{listener.getsockname()[1]}"
        client = Client(Configuration(host=host), "shop")
        began = time.monotonic()
        with pytest.raises(ClusterError, match=r"does not answer after .*timed out"):
            run_in_pod(client, "shop", "users-0", "agent", ["x"], timeout_s=0.5)
        assert time.monotonic() - began < 1.5


def test_something_else_than_an_api_server_is_named():
    def answer() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"220 mail.example.com ready\r\n")

    with silent() as listener:
        client = Client(Configuration(host=f"http://127.0.0.1:{listener.getsockname()[1]}"), "shop")
        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(ClusterError, match="no WebSocket was opened: .*220 mail"):
            run_in_pod(client, "shop", "users-0", "agent", ["x"])
        thread.join()


def test_nobody_listens():
    with silent() as listener:
        port = listener.getsockname()[1]
    client = Client(Configuration(host=f"http://127.0.0.1:{port}"), "shop")
    with pytest.raises(ClusterError, match=r"does not answer .*refused"):
        run_in_pod(client, "shop", "users-0", "agent", ["x"])


def test_a_proxy_is_refused_without_its_password():
    client = Client(Configuration(host="http://127.0.0.1:1"), "shop")
    client.configuration.proxy = "http://me:geheim@proxy:3128"
    with pytest.raises(BadInputError, match="cannot go through a proxy") as refused:
        run_in_pod(client, "shop", "users-0", "agent", ["x"])
    assert "geheim" not in str(refused.value)


def test_a_line_of_a_mebibyte_passes_and_a_longer_one_ends_the_stream():
    def run(process: Process) -> None:
        process.say("a" * (1 << 20) + "\n")
        process.say("b" * (1 << 20))
        process.say("b\n")
        process.hear()

    with exec_server(run) as server:
        channel = server.start()
        assert lines_of(channel) == ["a" * (1 << 20)]
        assert channel.wait(5) is None
        assert "a line of more than 1048576 bytes" in channel.complaints()


def test_a_long_line_arrives_whole_in_the_pod():
    heard = bytearray()

    def run(process: Process) -> None:
        while (message := process.hear()) != END_OF_STDIN:
            assert message[0] == STDIN
            heard.extend(message[1:])
        process.exit(0)

    with exec_server(run) as server:
        channel = server.start()
        channel.send("x" * 1_000_000)
        channel.close()
        assert channel.wait(10) == 0
        assert heard == b"x" * 1_000_000 + b"\n"


def test_a_slow_reader_slows_the_process_and_loses_nothing():
    line, count = "y" * 9_999, 4_000
    said = 0

    def run(process: Process) -> None:
        nonlocal said
        for _ in range(count):
            process.say(line + "\n")
            said += 1
        process.exit(0)

    with exec_server(run) as server:
        channel = server.start()
        before = -1
        while before != said or not said:  # until the process can say no more
            before = said
            time.sleep(0.3)
        assert said < count
        assert len(lines_of(channel)) == count
        assert channel.wait(5) == 0


def test_sending_waits_for_a_pod_that_does_not_read_until_the_stream_is_cut():
    release = threading.Event()
    ended: list[str] = []

    def send() -> None:
        try:
            while True:
                channel.send("z" * 100_000)
        except BrokenPipeError as error:
            ended.append(str(error))

    with exec_server(lambda process: release.wait(20)) as server:
        channel = server.start()
        sender = threading.Thread(target=send)
        sender.start()
        sender.join(1)
        assert sender.is_alive()
        assert channel._unsent < 2 << 20
        channel.kill()
        sender.join(5)
        release.set()
        assert ended == ["the channel is closed"]


def test_one_thread_serves_many_streams():
    with exec_server(echo) as server:
        channels = [server.start() for _ in range(30)]
        for number, channel in enumerate(channels):
            channel.send(f"to {number}")
        assert [channel.receive() for channel in channels] == [f"to {n}" for n in range(30)]
        assert [thread.name for thread in threading.enumerate()].count("pods") == 1
        for channel in channels:
            channel.close()
        assert [channel.wait(5) for channel in channels] == [0] * 30


def test_a_stream_that_breaks_leaves_the_others_alone():
    def run(process: Process) -> None:
        if process.hear() == bytes([STDIN]) + b"break\n":
            process.connection.socket.sendall(b"\xff\xff this is no frame")
            process.connection.socket.recv(1)
        else:
            echo(process)

    with exec_server(run) as server:
        good, bad = server.start(), server.start()
        bad.send("break")
        assert bad.wait(5) is None
        assert "is not understood" in bad.complaints()
        good.send("first")
        good.send("second")
        assert good.receive() == "second"
        good.kill()


def test_pings_are_answered():
    answered = threading.Event()

    def run(process: Process) -> None:
        threading.Thread(
            target=lambda: process.connection.ping().wait(5) and answered.set()
        ).start()
        process.hear()

    with exec_server(run) as server:
        channel = server.start()
        wait_until(answered.is_set)
        channel.kill()
