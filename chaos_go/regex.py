r"""Slips in regular expressions that are read by Go, and of which Python is sure too.

Prometheus and the agent read RE2, in which much is written otherwise than in Python. So only what
RE2 never takes is told here, and the rest is left to the one who reads it.
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


def slip(pattern: str) -> str | None:
    """Say what is wrong with a regular expression; None when that is not certain."""
    if r"\Q" in pattern or "[:" in pattern:  # Python knows no quotations and no [[:alpha:]]
        return None
    try:
        # Python warns of sets that it may read otherwise one day.
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
