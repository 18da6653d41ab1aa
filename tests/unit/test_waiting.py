"""A long wait is shown at a terminal, and not in a file or a pipe."""

import io
import queue
import threading

from chaos_go.report import waiting


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Hours(waiting.Clock):
    """Time that passes when the test says so: each wait takes as long as it was given."""

    def __init__(self, waits):
        super().__init__()
        self.waits = waits
        self.now = 1000.0
        self.asked = queue.SimpleQueue()
        self.has_passed = threading.Event()

    def now_s(self):
        return self.now

    def is_done_within(self, timeout_s):
        self.asked.put(timeout_s)
        if self.waits == 0:
            self.has_passed.set()
            return super().is_done_within(60)
        self.waits -= 1
        self.now += timeout_s
        return False


def told(stream, clock):
    with waiting.told("reading risk.csv", stream, clock):
        assert clock.has_passed.wait(30)
    return stream.getvalue()


def test_a_long_wait_is_shown_every_second_and_cleared():
    said = told(Terminal(), Hours(waits=3)).split("\r\x1b[K")
    assert said == ["", *(f"reading risk.csv, {s} s " for s in (2, 3, 4)), ""]


def test_a_wait_below_two_seconds_is_not_shown():
    clock = Hours(waits=0)
    assert told(Terminal(), clock) == ""
    assert clock.asked.get_nowait() == 2


def test_only_a_terminal_shows_waits():
    clock, pipe = Hours(waits=3), io.StringIO()
    with waiting.told("reading risk.csv", pipe, clock):
        pass
    assert pipe.getvalue() == ""
    assert clock.asked.empty()  # no thread waits


def test_time_is_real_unless_given():
    clock = waiting.Clock()
    assert not clock.is_done_within(0)
    clock.end()
    assert clock.is_done_within(60)
