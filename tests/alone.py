"""A network that nobody else is in, for a thread and all that it starts."""

import ctypes
import socket
import struct
import sys

NEW_NETWORK = 0x40000000
"""Linux's CLONE_NEWNET."""
SET_FLAGS, UP = 0x8914, 1
"""Linux's SIOCSIFFLAGS, and the flag of a network device that works."""


def leave_the_network() -> bool:
    """Leave this thread, and all that it starts from now on, the loopback device alone.

    Threads that are there already, such as a library's pool, stay on the network: call it first.

    Returns:
        Whether the system allows it: Linux does to root, as which CI runs.
    """
    if sys.platform != "linux" or ctypes.CDLL(None).unshare(NEW_NETWORK) != 0:
        return False
    from fcntl import ioctl

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        ioctl(asked, SET_FLAGS, struct.pack("16sh", b"lo", UP))
    return True
