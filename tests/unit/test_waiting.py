"""Whoever waits at a terminal is told what for; a file or a pipe gets nothing."""

import io
import time

from chaos_go.report import waiting


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_long_wait_is_told_and_cleared():
    terminal = Terminal()
    with waiting.told("reading risk.csv", terminal, 0.05):
        time.sleep(2.3)
    said = terminal.getvalue().split("\r\x1b[K")
    assert len(said) > 3
    assert said[1] == "reading risk.csv, 2 s "
    assert said[-1] == ""


def test_a_short_wait_is_not_worth_a_word():
    terminal = Terminal()
    with waiting.told("reading risk.csv", terminal):
        pass
    assert terminal.getvalue() == ""


def test_only_a_terminal_is_told():
    pipe = io.StringIO()
    with waiting.told("reading risk.csv", pipe):
        time.sleep(2.1)
    assert pipe.getvalue() == ""
