"""``port/8081``: whoever listens on this port in the network namespace of this process."""

from chaos_go.targets.place import Place, read_port


def parse(target: str, rest: str) -> Place:
    """Read ``8081``. Whether somebody listens there is seen by the agent, when it arms.

    Raises:
        TargetError: it is not a port.
    """
    port = read_port(target, rest)
    return Place(f"port/{port}", "port", port=port)
