"""Kills pods with chaos_go or its peer, in a process of its own, and tells when and at what cost.

    python killer.py '{"tool": "chaos_go", "namespace": "figures", "name": "users"}'

It kills whenever it reads a line from standard input, a JSON object with further arguments of the
action, and answers each with a line. With ``"imports": "all"`` it imports the package kubernetes
before.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any

Kill = Callable[[dict[str, Any]], list[str]]
"""Kills, with these further arguments, and returns the names of the pods."""


def main() -> None:
    """Kill as often as asked."""
    asked = json.loads(sys.argv[1])
    kill = {"chaos_go": _chaos_go, "chaosk8s": _chaosk8s}[asked["tool"]](asked)
    if asked.get("imports") == "all":
        from kubernetes import client, config  # noqa: F401 - else the first call imports it
    _tell({"is_ready": True})
    for line in sys.stdin:
        called_unix_s = time.time()
        names = kill(json.loads(line))
        told = {"called_unix_s": called_unix_s, "returned_unix_s": time.time(), "pods": names}
        _tell(told | {"processor_s": time.process_time()})


def _chaos_go(asked: dict[str, Any]) -> Kill:
    from chaos_go.agent import holder
    from chaos_go.faults import pods

    target = f"deployment/{asked['namespace']}/{asked['name']}"

    def kill(more: dict[str, Any]) -> list[str]:
        for fault in holder.faults():
            fault.stop()
        record = pods.kill(target, **more)
        return [place["place"].rpartition("/")[2] for place in record["places"]]

    return kill


def _chaosk8s(asked: dict[str, Any]) -> Kill:
    from chaosk8s.pod.actions import terminate_pods

    def kill(more: dict[str, Any]) -> list[str]:
        names = terminate_pods(
            label_selector=f"app={asked['name']}", ns=asked["namespace"], rand=True, **more
        )
        return [str(name) for name in names]

    return kill


def _tell(what: dict[str, Any]) -> None:
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    main()
