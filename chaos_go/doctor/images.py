"""Checks the image of the agent, when a load is sent from pods: do nodes have it already?

Nothing is pulled, and no registry is asked: only the nodes have the rights that it needs.
"""

from collections.abc import Iterator
from typing import Any

from chaos_go.doctor.check import Check
from chaos_go.doctor.experiment import Part
from chaos_go.errors import ClusterError, ForbiddenError
from chaos_go.kubernetes.client import Client
from chaos_go.kubernetes.kinds import NODES

_DEFAULT_REGISTRY = "docker.io/"
_DEFAULT_OWNER = "docker.io/library/"


def check(part: Part, client: Client) -> Iterator[Check]:
    """Yield the check of the image of a generator; none when the part has no generator in pods."""
    image = _image(part)
    if not image:
        return
    details: dict[str, Any] = {"image": image}
    try:
        nodes, _ = client.items(NODES.path())
    except ForbiddenError:
        said = f"{image}; whether the nodes have it is not known: this user may not list nodes"
        yield Check(part.where, "image", "unknown", said, details=details)
        return
    except ClusterError as error:
        yield Check(part.where, "image", "unknown", f"{image}: {error}", details=details)
        return
    having = [
        node["metadata"]["name"]
        for node in nodes
        for one in (node.get("status") or {}).get("images") or []
        if _full(image) in map(_full, one.get("names") or [])
    ]
    details["nodes"] = sorted(set(having))
    if having:
        said = f"{image}: {len(set(having))} of {len(nodes)} nodes have it"
        yield Check(part.where, "image", "ok", said, details=details)
        return
    said = f"{image}: no node has it yet, so it would be pulled; a node reports only some images"
    fix = "see that the nodes may pull it; `make image` in a checkout of chaos_go builds it"
    yield Check(part.where, "image", "unknown", said, fix, details)


def _image(part: Part) -> str:
    generator = part.arguments.get("generator")
    pods = generator.get("kubernetes") if isinstance(generator, dict) else None
    return str(pods.get("image", "")) if isinstance(pods, dict) else ""


def _full(image: str) -> str:
    """Return the whole name of an image, as nodes report it: registry, owner, name and tag."""
    first, slash, _ = image.partition("/")
    if not slash:
        image = _DEFAULT_OWNER + image
    elif not ("." in first or ":" in first or first == "localhost"):
        image = _DEFAULT_REGISTRY + image
    has_tag = ":" in image.rpartition("/")[2] or "@" in image
    return image if has_tag else f"{image}:latest"
