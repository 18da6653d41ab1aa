"""Finds errors in regular expressions for Prometheus that both Python and RE2 reject.

Prometheus uses RE2, whose syntax differs from that of Python. So only expressions that RE2
certainly rejects are reported here. Prometheus finds the other errors. The agent itself judges what
it gets.
"""

import re
import warnings

_SURE = (
    "missing ), unterminated subpattern",
    "unbalanced parenthesis",
    "unterminated character set",
    "multiple repeat",
    "bad escape (end of pattern)",
)
_ESCAPES_AND_SETS = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_LOOK_AROUND = re.compile(r"\(\?<?[=!]")
_REPEAT = re.compile(r"\{(\d+)(?:,(\d*))?\}")
_MOST_REPEATS = 1000


def find_error(pattern: str) -> str | None:
    """Return what is wrong with a regular expression; None if no error is certain."""
    if r"\Q" in pattern or "[:" in pattern:  # Python has neither quotations nor [[:alpha:]]
        return None
    try:
        # Python warns about sets whose meaning may change in a later version.
        with warnings.catch_warnings(action="ignore"):
            re.compile(pattern)
    except re.error as error:
        repeats_nothing = error.msg == "nothing to repeat" and error.pos == 0
        return error.msg if error.msg in _SURE or repeats_nothing else None
    bare = _ESCAPES_AND_SETS.sub("", pattern)
    if _LOOK_AROUND.search(bare):
        return "RE2 has no look-ahead or look-behind"
    counts = [int(count) for found in _REPEAT.findall(bare) for count in found if count]
    if max(counts, default=0) > _MOST_REPEATS:
        return f"RE2 repeats at most {_MOST_REPEATS} times"
    return None
