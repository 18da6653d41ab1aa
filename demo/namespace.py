"""A network of one's own: run a command where it cannot touch the host's network.

    python demo/namespace.py bash

The command runs in a new network namespace with only `lo`, which is up. Root gets just that; an
ordinary user becomes root of a new user namespace first (user_namespaces(7)). Everything in it is
gone when the last process in it ends. The system calls are made from Python, so that neither
util-linux nor iproute2 has to be installed.
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

    The process must have a single thread. After a failure it may be in a namespace without `lo`.

    Raises:
        OSError: the kernel allows neither a network namespace nor one inside a user namespace.
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
        OSError: no such interface, or no CAP_NET_ADMIN here.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack(IFREQ, interface.encode(), 0)
        name, flags = struct.unpack(IFREQ, fcntl.ioctl(any_socket, SIOCGIFFLAGS, request))
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack(IFREQ, name, flags | IFF_UP))


def main(command: list[str]) -> None:
    """Replace this process by the command, in a namespace of its own."""
    if not command:
        sys.exit("namespace.py: no command given; give one such as: namespace.py bash")
    try:
        enter()
    except OSError as error:
        sys.exit(f"namespace.py: the kernel allows no network namespace here: {error}")
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
