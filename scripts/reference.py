"""Writes docs/reference/activities.md from the signatures and docstrings of all activities.

python scripts/reference.py            # write
python scripts/reference.py --check    # exit code 1 if the file is out of date
"""

import importlib
import inspect
import re
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from chaos_go import activity_modules, targets

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "activities.md"
HEAD = """\
# Actions, probes and controls

Generated from the docstrings by `make docs`; edit those. `chaos discover --no-install
chaostoolkit-go` prints the same as JSON.
"""
TITLES = {"action": "Actions", "probe": "Probes", "control": "Controls"}
SECTIONS = ("Args", "Returns", "Raises")
# Chaos Toolkit passes these to hooks; they are not written in an experiment.
GIVEN = ("context", "state", "unknown", "arguments", "configuration", "secrets")


def main(arguments: list[str]) -> int:
    """Write or check the page, and return the exit code."""
    if arguments not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    now = page()
    if arguments == []:
        PAGE.parent.mkdir(parents=True, exist_ok=True)
        PAGE.write_text(now, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != now:
        print(f"{PAGE.relative_to(ROOT)} is stale: run `make docs` and commit it", file=sys.stderr)
        return 1
    return 0


def page() -> str:
    """Return the whole page."""
    parts = [HEAD, _targets()]
    for kind, title in TITLES.items():
        parts.append(f"\n## {title}\n")
        parts += [_module(name) for name, of in activity_modules().items() if of == kind]
    return "".join(parts)


def _targets() -> str:
    """Return the grammar of targets, which is written once: where it is read."""
    rows = [f"| `{example}` | {_cell(meaning)} |\n" for example, meaning in targets.describe()]
    intro = "A fault needs a target: a text that says where. It has one of these forms."
    return "".join([f"\n## Targets\n\n{intro}\n\n| target | meaning |\n|---|---|\n", *rows])


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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
