"""Writes the generated pages of docs/reference/.

activities.md comes from the signatures and docstrings of all activities, rbac.md from the
permissions that they declare.

python scripts/reference.py            # write
python scripts/reference.py --check    # exit code 1 if a file is out of date
"""

import functools
import importlib
import inspect
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from chaos_go import activity_modules, targets
from chaos_go.kubernetes import roles
from chaos_go.kubernetes.permission import Permission

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
HEAD = """\
# Actions, probes and controls

Generated from the docstrings by `make docs`; edit those. `chaos discover --no-install
chaostoolkit-go` prints the same as JSON.
"""
AFTER_TARGETS = """\
The first four words, `port` to `proxy`, are for faults on the requests of services on this host
(`chaos_go.faults.http`). The others are for `chaos_go.faults.pods` and `probes.pods`. This release
has no faults on the traffic of pods, so there a port is only looked up and recorded by `kill`, and
a dependency (`->`) is refused.
"""
TITLES = {"action": "Actions", "probe": "Probes", "control": "Controls"}
SECTIONS = ("Args", "Returns", "Raises")
# Chaos Toolkit passes these to hooks; they are not written in an experiment.
GIVEN = ("context", "state", "unknown", "arguments", "configuration", "secrets")


def main(arguments: list[str]) -> int:
    """Write or check the pages, and return the exit code."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    exit_code = 0
    for name, page in PAGES.items():
        path, now = REFERENCE / name, page()
        if arguments == []:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(now, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != now:
            print(f"{path.relative_to(ROOT)} is stale: run `make docs`, commit it", file=sys.stderr)
            exit_code = 1
    return exit_code


def activities_page() -> str:
    """Return the page of all activities."""
    parts = [HEAD, _targets()]
    for kind, title in TITLES.items():
        parts.append(f"\n## {title}\n")
        parts += [_module(name) for name, of in activity_modules().items() if of == kind]
    return "".join(parts)


def _targets() -> str:
    """Return the grammar of targets, which is written once: where it is read."""
    rows = [f"| `{example}` | {_cell(meaning)} |\n" for example, meaning in targets.describe()]
    intro = "A fault needs a target: a text that says where. It has one of these forms."
    head = f"\n## Targets\n\n{intro}\n\n| target | meaning |\n|---|---|\n"
    return "".join([head, *rows, f"\n{AFTER_TARGETS}"])


def _module(name: str) -> str:
    """Return the section of one module; of a control only the hook that takes its arguments."""
    module = importlib.import_module(name)
    parts = [f"\n### `{name}`\n\n{_markdown(inspect.getdoc(module) or '')}\n"]
    for function in module.__all__:
        if activity_modules()[name] != "control":
            parts.append(_function(function, getattr(module, function)))
        elif function == "before_experiment_control":
            hook = getattr(module, function)
            parts += [_function("arguments", hook)] if _own_parameters(hook) else []
    return "".join(parts)


def _function(heading: str, function: Callable[..., Any]) -> str:
    sections = split(inspect.getdoc(function) or "")
    parts = [f"\n#### `{heading}`\n\n{_markdown(sections[''])}\n"]
    described = dict(_entries(sections.get("Args", "")))
    rows = [
        f"| `{parameter.name}` | {_type(parameter)} | {_default(parameter)} "
        f"| {_cell(described.get(parameter.name, ''))} |\n"
        for parameter in _own_parameters(function)
    ]
    if rows:
        parts += ["\n| argument | type | default | meaning |\n|---|---|---|---|\n", *rows]
    for section in SECTIONS[1:]:
        if section in sections:
            parts.append(f"\n**{section}** {_cell(sections[section])}\n")
    return "".join(parts)


def _own_parameters(function: Callable[..., Any]) -> list[inspect.Parameter]:
    parameters = inspect.signature(function).parameters.values()
    return [parameter for parameter in parameters if parameter.name not in GIVEN]


def split(docstring: str) -> dict[str, str]:
    """Split a Google-style docstring into its sections; the key "" is the text before them."""
    sections, current = {"": ""}, ""
    for line in docstring.splitlines():
        if line.rstrip(":") in SECTIONS and line.endswith(":"):
            current = line.rstrip(":")
            sections[current] = ""
        else:
            sections[current] += line + "\n"
    return {name: text.strip("\n") for name, text in sections.items()}


def _entries(section: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the text of each entry of an Args section."""
    for entry in re.split(r"\n(?=    \w)", section):
        name, _, text = entry.strip().partition(":")
        yield name, text.strip()


def _markdown(text: str) -> str:
    """Return the text of a docstring with its literal blocks (``::``) as fenced code blocks."""
    lines: list[str] = []
    for paragraph in text.split("\n\n"):
        if lines and lines[-1].endswith("::") and paragraph.startswith("    "):
            lines[-1] = lines[-1][:-1]
            lines.append(f"```yaml\n{textwrap.dedent(paragraph)}\n```")
        else:
            lines.append(paragraph.replace("``", "`"))
    return "\n\n".join(lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("``", "`")


def _type(parameter: inspect.Parameter) -> str:
    annotation = parameter.annotation
    name = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    return f"`{name.replace('typing.', '')}`"


def _default(parameter: inspect.Parameter) -> str:
    if parameter.default is parameter.empty:
        return "required"
    return f"`{parameter.default!r}`".replace("'", '"')


RBAC_HEAD = """\
# Permissions in Kubernetes

Generated from the declarations of the activities by `make docs`. An activity that is not listed
needs nothing in a cluster: it acts on this host, or reads what a fault has already seen.

`chaos go doctor EXPERIMENT` asks the API server for each permission of an experiment before it
runs. `chaos go doctor EXPERIMENT --role` prints one Role for the whole experiment, with its
RoleBinding, for `kubectl apply -f -`. If a permission is missing all the same, the action fails
before it changes anything, and the log has the missing rule.

The Roles below are minimal: each verb is needed. They have the namespace `shop`, like the targets.
A Role has no effect until a RoleBinding gives it to a user. A ClusterRole and a ClusterRoleBinding
are needed only for nodes, and for pods in all namespaces.

These permissions are useful and not needed. Without them the run is the same, and less is told:

- `list` on `poddisruptionbudgets` (group `policy`): `chaos go doctor` tells whether a budget would
  refuse an eviction.
- `list` on `horizontalpodautoscalers` (group `autoscaling`): `scale` warns of an autoscaler that
  sets the same number.
- `list` on `events`: if the pods of a load cannot be created, the message has the reason.
- `list` on `nodes`: `chaos go doctor` tells whether nodes have the image of a load in pods.
- `list` on workloads and `get` on namespaces: errors about misspelt names are more helpful.

RBAC cannot limit a Role to the pods of one workload: who may delete one pod of a namespace may
delete all of them. The limits of the actions (`scope`, protected namespaces) are checked by
chaos_go, not by the API server.
"""


def rbac_page() -> str:
    """Return the page of permissions: the minimal Roles of each activity, equal ones together."""
    names: dict[str, list[str]] = {}
    for name, kind in activity_modules().items():
        module = importlib.import_module(name)
        if kind == "control" and hasattr(module, "permissions"):
            needed = functools.partial(_needed_by_control, module)
            names.setdefault("".join(_roles(module.EXAMPLES, needed)), []).append(f"`{name}`")
        for function in map(functools.partial(getattr, module), module.__all__):
            if hasattr(function, "permissions"):
                section = "".join(_roles(function.examples, function.permissions))
                names.setdefault(section, []).append(f"`{name}.{function.__name__}`")
    sections = (f"\n## {', '.join(of)}\n{section}" for section, of in names.items())
    return "".join([RBAC_HEAD, *sections])


def _needed_by_control(module: Any, arguments: Mapping[str, Any]) -> list[Permission]:
    found: list[Permission] = module.permissions({"provider": {"arguments": arguments}})
    return found


def _roles(
    examples: Iterable[Mapping[str, Any]],
    needed: Callable[[Mapping[str, Any]], Iterable[Permission]],
) -> Iterator[str]:
    """Yield for each example its arguments and the rules; equal rules only once."""
    by_rules: dict[str, list[str]] = {}
    for example in examples:
        made = roles.manifests(needed(example), "shop", roles.Subject(), "chaos-go")
        text = roles.text(*(one for one in made if not one["kind"].endswith("Binding")))
        by_rules.setdefault(text, []).append(f"`{json.dumps(example)}`")
    for text, arguments in by_rules.items():
        yield f"\nWith {', or '.join(arguments)}:\n\n```yaml\n{text}```\n"


PAGES = {"activities.md": activities_page, "rbac.md": rbac_page}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
