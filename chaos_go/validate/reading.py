"""Loads an experiment file and refuses duplicate keys: Chaos Toolkit would use only the last."""

import json
from pathlib import Path
from typing import Any

import yaml

from chaos_go.errors import BadInputError


def load(path: str) -> dict[str, Any]:
    """Load a YAML or JSON file.

    Raises:
        BadInputError: The file cannot be read, is not valid, or has a duplicate key.
    """
    kind = Path(path).suffix
    if kind not in (".yaml", ".yml", ".json"):
        raise BadInputError("file", path, "Chaos Toolkit loads only .yaml, .yml and .json")
    try:
        text = Path(path).read_text(encoding="utf-8")
        if kind == ".json":
            experiment = json.loads(text, object_pairs_hook=_once)
        else:
            # Derived from the safe loader.
            experiment = yaml.load(text, Loader=_Loader)  # noqa: S506
        json.dumps(experiment, default=str, skipkeys=True)  # all of it can be read and shown
    except OSError as error:
        raise BadInputError("file", path, f"{error.strerror}; give an experiment") from error
    except (TypeError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise BadInputError("file", path, f"not valid {kind[1:]}: {error}") from error
    if not isinstance(experiment, dict):
        raise BadInputError("file", path, "an experiment is a mapping: title, description, method")
    return experiment


class _Loader(yaml.SafeLoader):
    """Loads YAML as Chaos Toolkit does, but refuses duplicate keys."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    # This is before merge keys (<<) are resolved, because a key may override a merged one.
    own = [key for key, _ in node.value if key.tag != "tag:yaml.org,2002:merge"]
    _once([(loader.construct_object(key, deep=True), None) for key in own])
    loader.flatten_mapping(node)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor("tag:yaml.org,2002:map", _mapping)


def _once(pairs: list[tuple[Any, Any]]) -> dict[Any, Any]:
    mapping: dict[Any, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise ValueError(f"key {key!r} is in one mapping twice; only the last would count")
        mapping[key] = value
    return mapping
