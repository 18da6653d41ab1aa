"""Errors in regular expressions: only those that RE2 also rejects are reported."""

import pytest

from chaos_go import regex


@pytest.mark.parametrize(
    "pattern", ["(", "a)", "[a", "a\\", "*a", "a**", "(?i:a", "(?=a)", "a(?<!b)", "[)](?!a)"]
)
def test_errors_are_found(pattern):
    assert regex.find_error(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "", "/api/v1/users/.*", "(?<x>a)", r"\Q(\E", "\\Q\\", "[[:alpha:](?=]", "^*", "[]a]",
        r"\pL+\z", r"[(?=]\(?=", "(?P<n>a)", "a{,5}", "a*?", "a(?i)b",
    ],
)  # fmt: skip
def test_expressions_that_re2_may_accept_are_not_refused(pattern):
    assert regex.find_error(pattern) is None
