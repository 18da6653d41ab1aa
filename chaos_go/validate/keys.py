"""Knows the keys that Chaos Toolkit 1.21 reads, and their values. Any other key is a problem."""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from chaos_go.arguments import is_number

Check = Callable[[str, Any], Iterator[str]]
"""Takes a place in the file and the value there, and yields problems."""

Keys = Mapping[str, Check]

ROLLBACK_STRATEGIES = ("default", "always", "never", "deviated")
HYPOTHESIS_STRATEGIES = (
    "default",
    "before-method-only",
    "after-method-only",
    "during-method-only",
    "continuously",
    "skip",
)
_VARIABLE = re.compile(r"\$\{\w+\}")


def check(experiment: dict[str, Any]) -> Iterator[str]:
    """Yield the problems with the keys of an experiment, at every level."""
    # Keys that begin with x- are for YAML anchors and for notes: they are ignored on purpose.
    known = {key: value for key, value in experiment.items() if not str(key).startswith("x-")}
    for needed in ("title", "description", "method"):
        if needed not in experiment:
            yield f"{needed}: missing; an experiment needs title, description and method"
    yield from _mapping(_EXPERIMENT)("", known)


def suggest(name: object, known: Mapping[str, Any] | list[str]) -> str:
    """Return the known name that is closest, or all known names."""
    names = [str(one) for one in known]
    close = difflib.get_close_matches(str(name), names, 1)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(names) or 'none'}"


def _anything(_path: str, _value: Any) -> Iterator[str]:
    yield from ()


def _text(path: str, value: Any) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{path}: must be a text, is {value!r}"


def _mapping(keys: Keys) -> Check:
    def check_mapping(path: str, value: Any) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path}: must be a mapping, is {value!r}"
            return
        for key, item in value.items():
            where = f"{path}.{key}" if path else str(key)
            if key in keys:
                yield from keys[key](where, item)
            else:
                yield f"{where}: unknown key ({suggest(key, keys)})"

    return check_mapping


def _each(check_item: Check) -> Check:
    def check_list(path: str, value: Any) -> Iterator[str]:
        if not isinstance(value, list):
            yield f"{path}: must be a list, is {value!r}"
            return
        for number, item in enumerate(value):
            yield from check_item(f"{path}[{number}]", item)

    return check_list


def _by_type(forms: Mapping[str, Check]) -> Check:
    """Check a mapping by the keys that belong to its ``type``."""

    def check_form(path: str, value: Any) -> Iterator[str]:
        kind = value.get("type") if isinstance(value, dict) else None
        if isinstance(kind, str) and kind in forms:
            yield from forms[kind](path, value)
        else:
            yield f"{path}: must be a mapping with type: {' | '.join(forms)}, is {value!r}"

    return check_form


def _one_of(*values: object) -> Check:
    def check_value(path: str, value: Any) -> Iterator[str]:
        if value not in values or type(value) not in {type(known) for known in values}:
            yield f"{path}: {value!r} is unknown ({suggest(value, [str(x) for x in values])})"

    return check_value


def _never(why: str) -> Check:
    def refuse(path: str, _value: Any) -> Iterator[str]:
        yield f"{path}: {why}"

    return refuse


def _seconds(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, str) and _VARIABLE.fullmatch(value):
        return
    if not is_number(value) or value < 0:
        yield f"{path}: {value!r} is not a number of seconds; give a number or one ${{variable}}"


def _configured(path: str, value: Any) -> Iterator[str]:
    """Check a value of the configuration: a mapping with a type, or the value itself."""
    if isinstance(value, dict) and "type" in value:
        env = _required(_mapping(_ENV), "key")
        yield from _by_type({"env": env, "probe": _mapping(_ACTIVITY)})(path, value)


def _secret(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict) and "type" in value:
        env = _required(_mapping(_ENV), "key")
        yield from _by_type({"env": env, "vault": _mapping(_VAULT)})(path, value)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _secret(f"{path}.{key}", item)


def _values_of(check_value: Check) -> Check:
    def check_values(path: str, value: Any) -> Iterator[str]:
        if not isinstance(value, dict):
            yield f"{path}: must be a mapping, is {value!r}"
            return
        for key, item in value.items():
            yield from check_value(f"{path}.{key}", item)

    return check_values


def _control(path: str, value: Any) -> Iterator[str]:
    yield from _mapping(_CONTROL)(path, value)
    if isinstance(value, dict) and "ref" not in value:
        yield from (f"{path}.{x}: missing" for x in ("name", "provider") if x not in value)


def _activity(kinds: Keys) -> Check:
    def check_activity(path: str, value: Any) -> Iterator[str]:
        yield from _mapping(kinds)(path, value)
        if isinstance(value, dict) and "ref" not in value:
            needed = ("type", "name", "provider", "tolerance")
            missing = [x for x in needed if x not in value and kinds[x] is not _NO_TOLERANCE]
            yield from (f"{path}.{key}: missing" for key in missing)

    return check_activity


def _tolerance(path: str, value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from _by_type(_TOLERANCES)(path, value)
    elif value is None or not isinstance(value, bool | int | str | list):
        fix = "use {type: range, range: [least, most]} for numbers"
        yield f"{path}: {value!r} is not a valid tolerance; {fix}"
    elif isinstance(value, list) and len(value) == 2:
        yield from _range(path, value)


def _range(path: str, value: Any) -> Iterator[str]:
    numbers = isinstance(value, list) and all(
        isinstance(bound, int | float) and not isinstance(bound, bool) for bound in value
    )
    if not numbers or len(value) != 2:
        yield f"{path}: {value!r} is not two numbers; variables are not replaced in a range"
    elif not value[0] <= value[1]:
        yield f"{path}: {value!r} is empty; give the smaller number first"


def _pattern(path: str, value: Any) -> Iterator[str]:
    try:
        re.compile(value)
    except (TypeError, re.error) as error:
        yield f"{path}: {value!r} is not a regular expression: {error}"


def _required(check_mapping: Check, *needed: str) -> Check:
    def check_needed(path: str, value: Any) -> Iterator[str]:
        yield from check_mapping(path, value)
        if isinstance(value, dict):
            yield from (f"{path}.{key}: missing" for key in needed if key not in value)

    return check_needed


_A: Check = _anything  # checked in `activities` or by Chaos Toolkit itself
_ENV = {"type": _A, "key": _text, "default": _A}
_ENV["env_var_type"] = _one_of("str", "int", "float", "bytes", "bool", "json")
_VAULT = {"type": _A, "path": _A, "key": _A}
_PYTHON = {"type": _A, "module": _text, "func": _text, "arguments": _A, "secrets": _each(_A)}
_PROCESS = {"type": _A, "path": _A, "arguments": _A, "timeout": _A, "secrets": _each(_A)}
_HTTP = {"type": _A, "url": _A, "method": _A, "headers": _A, "timeout": _A, "arguments": _A}
_HTTP |= {"verify_tls": _A, "max_retries": _A, "secrets": _each(_A)}
_PROVIDER = _by_type(
    {
        "python": _required(_mapping({**_PYTHON, "arguments": _values_of(_A)}), "module", "func"),
        "process": _required(_mapping(_PROCESS), "path"),
        "http": _required(_mapping(_HTTP), "url"),
    }
)
_CONTROL_PROVIDER = {key: _PYTHON[key] for key in ("type", "module", "secrets")}
_CONTROL_PROVIDER |= {"arguments": _values_of(_A), "type": _one_of("python")}
_CONTROL = {
    "name": _A,
    "ref": _A,
    "provider": _required(_mapping(_CONTROL_PROVIDER), "type", "module"),
    "scope": _one_of("before", "after"),
    "automatic": _one_of(True, False),
}
_NO_TOLERANCE = _never("Chaos Toolkit ignores a tolerance outside of the hypothesis")
_ACTIVITY: dict[str, Check] = {
    "type": _one_of("probe", "action"),
    "name": _A,
    "provider": _PROVIDER,
    "background": _one_of(True, False),
    "pauses": _mapping({"before": _seconds, "after": _seconds}),
    "controls": _each(_control),
    "ref": _A,
    "dry": _one_of("probes", "actions", "activities", "pause"),
    "timeout": _never("Chaos Toolkit never enforces it; give provider.timeout or an argument"),
    "tolerance": _NO_TOLERANCE,
}
_TOLERANCES = {
    "range": _required(_mapping({"type": _A, "range": _range, "target": _A}), "range"),
    "regex": _required(_mapping({"type": _A, "pattern": _pattern, "target": _A}), "pattern"),
    "jsonpath": _required(
        _mapping({"type": _A, "path": _A, "expect": _A, "count": _A, "target": _A}), "path"
    ),
    "probe": _required(_activity(_ACTIVITY), "provider"),
}
_PROBE = {**_ACTIVITY, "type": _one_of("probe"), "tolerance": _tolerance}
_PROBE["background"] = _never("Chaos Toolkit ignores it in the hypothesis")
_RUNTIME_PYTHON = {"dependencies": _each(_A), "isolated": _one_of(True, False), "version": _A}
_EXPERIMENT: dict[str, Check] = {
    "title": _A,
    "description": _A,
    "tags": _each(_A),
    "configuration": _values_of(_configured),
    "secrets": _values_of(_secret),
    "extensions": _A,
    "contributions": _A,
    "controls": _each(_control),
    "steady-state-hypothesis": _mapping(
        {"title": _A, "probes": _each(_activity(_PROBE)), "controls": _each(_control)}
    ),
    "method": _each(_activity(_ACTIVITY)),
    "rollbacks": _each(_activity(_ACTIVITY)),
    "runtime": _mapping(
        {
            "rollbacks": _mapping({"strategy": _one_of(*ROLLBACK_STRATEGIES)}),
            "hypothesis": _mapping({"strategy": _one_of(*HYPOTHESIS_STRATEGIES)}),
            "python": _mapping(_RUNTIME_PYTHON),
        }
    ),
    "dry": _never("it is overwritten; use `chaos run --dry`"),
}
