r"""Label matchers of a Prometheus series: ``job="risk",path=~"/api/.*"``.

The grammar is that of https://prometheus.io/docs/prometheus/latest/querying/basics/: a name, one of
``=``, ``!=``, ``=~``, ``!~``, and a quoted value with the escapes of Go, separated by commas. It is
checked here, because Prometheus refuses a rule file as a whole for one error.
"""

import re

from chaos_go import regex
from chaos_go.errors import BadInputError, shorten

_ESCAPE = (
    r"""\\(?:[abfnrtv\\]|[0-3][0-7]{2}|x[0-9a-fA-F]{2}|u(?![dD][89a-fA-F])[0-9a-fA-F]{4}"""
    r"""|U00(?:0[1-9a-fA-F]|10)[0-9a-fA-F]{4})"""
)
_VALUE = rf"""(?P<value>"(?:[^"\\\n]|\\"|{_ESCAPE})*"|'(?:[^'\\\n]|\\'|{_ESCAPE})*'|`[^`\n]*`)"""
_MATCHER = re.compile(
    rf"[ \t]*(?P<name>[a-zA-Z_][a-zA-Z0-9_]*)[ \t]*(?P<operator>=~|!~|!=|=)[ \t]*{_VALUE}[ \t]*"
)
_UNQUOTED = re.compile(r"[ \t]*[a-zA-Z_]\w*[ \t]*(?:=~|!~|!=|=)[ \t]*[^\"'` \t,][^\"'`,]*(?:,|$)")
_FORM = 'give label matchers without braces, separated by commas, for instance job="checkout"'
_OURS = {
    "le": "the bucket is chosen by the limit and --buckets; leave it out",
    "__name__": "give the name of the histogram as --metric",
}


def check(selector: str) -> None:
    """Refuse a selector that Prometheus would refuse; an empty one selects every series.

    Raises:
        BadInputError: The selector is no list of label matchers, or has a matcher for ``le`` or
            ``__name__``, which the export sets.
    """
    if "{{" in selector:
        raise BadInputError("selector", selector, "{{ begins a template of Sloth; leave it out")
    rest = selector.strip()
    while rest:
        found = _MATCHER.match(rest)
        if found is None:
            raise BadInputError("selector", selector, _fix(rest))
        _check_label(selector, found)
        rest = rest[found.end() :]
        if rest and not rest.startswith(","):
            raise BadInputError(
                "selector", selector, f"no comma before {shorten(rest, 40)}; {_FORM}"
            )
        rest = rest[1:].strip()


def _check_label(selector: str, found: re.Match[str]) -> None:
    if found["name"] in _OURS:
        raise BadInputError("selector", selector, f"{found['name']}: {_OURS[found['name']]}")
    value = found["value"][1:-1]
    pattern = value if found["value"][0] == "`" else value.replace("\\\\", "\\")
    error = regex.find_error(pattern) if found["operator"].endswith("~") else None
    if error:
        raise BadInputError(
            "selector", selector, f"{shorten(value, 40)} is not a regular expression: {error}"
        )


def _fix(rest: str) -> str:
    """Return what is wrong at the beginning of the rest of a selector."""
    at = f"no matcher at {shorten(rest, 40)}"
    if _UNQUOTED.match(rest):
        return f"{at}: put the value into double quotes; {_FORM}"
    if re.search(r"\\[^abfnrtv\\\"'0-7xuU]", rest):
        return f"{at}: in a value, write each backslash twice"
    if rest.count('"') % 2:
        return f"{at}: a double quote is not closed; {_FORM}"
    return f"{at}: {_FORM}"
