"""Run a command in a new network namespace, where it cannot affect the host's network.

    python demo/namespace.py bash

The namespace has only `lo`, which is up. For an ordinary user a new user namespace is created as
well, in which the user is root (user_namespaces(7)). The kernel removes the namespace when its last
process ends. The system calls are made from Python, so neither util-linux nor iproute2 is needed.
"""

import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

# ioctl numbers and flag from linux/sockios.h and linux/if.h; see netdevice(7).
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 0x1
IFREQ = "16sh14x"  # struct ifreq: the name, then the flags out of a union of 16 bytes


def enter() -> None:
    """Move this process into a new network namespace and bring `lo` up there.

    The process must have a single thread. After a failure it may be in a namespace whose `lo` is
    down.

    Raises:
        OSError: The kernel allows neither a network namespace nor one inside a user namespace.
    """
    try:
        os.unshare(os.CLONE_NEWNET)
    except PermissionError:
        _enter_with_user_namespace()
    bring_up("lo")


def _enter_with_user_namespace() -> None:
    uid, gid = os.geteuid(), os.getegid()
    os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNET)
    # Without "deny" an ordinary user may not map groups.
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {uid} 1")
    Path("/proc/self/gid_map").write_text(f"0 {gid} 1")


def bring_up(interface: str) -> None:
    """Set a network interface up, as `ip link set INTERFACE up` does.

    Raises:
        OSError: There is no such interface, or this process has no CAP_NET_ADMIN.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack(IFREQ, interface.encode(), 0)
        name, flags = struct.unpack(IFREQ, fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack(IFREQ, name, flags | IFF_UP))


def main(command: list[str]) -> None:
    """Replace this process by the command, in a new namespace."""
    if not command:
        sys.exit("namespace.py: no command given; give one such as: namespace.py bash")
    try:
        enter()
    except OSError as error:
        sys.exit(f"namespace.py: the kernel allows no network namespace here: {error}")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
