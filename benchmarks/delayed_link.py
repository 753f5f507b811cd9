"""A link between two network namespaces with a rate and a delay, where the kernel has no netem (Linux, as root).

Each namespace gets a device `eth0` of the kind tun, and a process that stands for the cable passes their packets on.
The kernel hands over up to 64 KiB at once, as to a network card that cuts segments by itself (TSO), so a full gigabit
takes little of a processor; the time on the cable is that of the segments, with their headers and gaps. Nothing is lost
to congestion: what waits for the cable may be as long as TCP lets it be.
"""

import argparse
import errno
import fcntl
import multiprocessing
import os
import select
import socket
import statistics
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_SET_DEVICE, _SET_OFFLOAD = 0x400454CA, 0x400454D0  # TUNSETIFF and TUNSETOFFLOAD of linux/if_tun.h
_FLAGS = 0x0001 | 0x1000 | 0x4000  # packets of IP, without a header of the device, with one of virtio
_OFFLOADED = 0x01 | 0x02  # checksums, and the segments of TCP over IPv4
_VIRTIO = 10
_LONGEST = _VIRTIO + 65_535
_FRAME = 38  # bytes of an Ethernet frame around a packet, with preamble and gap

PORT = 29613


@contextmanager
def link(first: str, second: str, *, rate: float, delay: float) -> Iterator[None]:
    """Two namespaces are connected by devices named eth0 for the length of the block.

    `rate` is in bits a second, for each direction; `delay` is in seconds, there and back.
    """
    ends = [_device(namespace) for namespace in (first, second)]
    cable = multiprocessing.get_context("fork").Process(target=_pass_on, args=(*ends, rate, delay / 2), daemon=True)
    cable.start()
    try:
        yield
    finally:
        cable.kill()
        cable.join()
        for end in ends:
            os.close(end)


def answered(first: str, second: str, host: str, size: int) -> float:
    """Median seconds until `second`, which is reached at `host`, has received `size` bytes and `first` its answer."""
    words = [sys.executable, __file__, host, str(size)]
    answer = ["ip", "netns", "exec", second, *words, "--answer"]
    with subprocess.Popen(answer, stdout=subprocess.PIPE) as answering:
        assert answering.stdout is not None
        try:
            answering.stdout.readline()  # it listens, or has ended
            asked = subprocess.run(["ip", "netns", "exec", first, *words], check=True, stdout=subprocess.PIPE)
        finally:
            answering.kill()
    return float(asked.stdout)


def _device(namespace: str) -> int:
    """A new device in a namespace: what is sent through it is read from the file, what it receives is written."""
    end = os.open("/dev/net/tun", os.O_RDWR)
    request = fcntl.ioctl(end, _SET_DEVICE, struct.pack("16sH22x", b"charloom%d", _FLAGS))
    fcntl.ioctl(end, _SET_OFFLOAD, _OFFLOADED)
    name = request[:16].rstrip(b"\0").decode()
    subprocess.run(["ip", "link", "set", name, "netns", namespace, "name", "eth0"], check=True)
    return end


def _pass_on(first: int, second: int, rate: float, delay: float) -> None:
    """Pass packets on in both directions until the process that asked for it has ended."""
    asked_by = os.getppid()
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        print("the cable has no real-time priority here: it waits for a processor like any program", file=sys.stderr)
    others = {first: second, second: first}
    free = dict.fromkeys(others, 0.0)  # when the cable can take the next packet
    travelling: dict[int, deque[tuple[float, bytes]]] = {end: deque() for end in others}
    while os.getppid() == asked_by:
        for end, packets in travelling.items():
            while packets and packets[0][0] <= time.monotonic():
                _write(others[end], packets.popleft()[1])
        arrival = min((packets[0][0] for packets in travelling.values() if packets), default=time.monotonic() + 1)
        for end in select.select(list(others), [], [], max(0.0, arrival - time.monotonic()))[0]:
            packet = os.read(end, _LONGEST)
            free[end] = max(free[end], time.monotonic()) + 8 * _on_the_cable(packet) / rate
            travelling[end].append((free[end] + delay, packet))


def _write(end: int, packet: bytes) -> None:
    try:
        os.write(end, packet)
    except OSError as error:
        if error.errno != errno.EIO:  # the device is down: the packet is lost
            raise


def _on_the_cable(packet: bytes) -> int:
    """The bytes of a packet in Ethernet frames, cut into segments with headers of their own."""
    headers, segment = struct.unpack_from("=HH", packet, 2)  # no segment: it needs no cutting
    length = len(packet) - _VIRTIO
    frames = -(-(length - headers) // segment) if segment else 1
    return length + (frames - 1) * headers + frames * _FRAME


def _ask(host: str, size: int) -> None:
    answering = socket.create_connection((host, PORT))
    answering.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    times = []
    for _ in range(20):
        began = time.monotonic()
        answering.sendall(bytes(size))
        answering.recv(1)
        times.append(time.monotonic() - began)
    print(statistics.median(times))


def _answer(host: str, size: int) -> None:
    listening = socket.create_server((host, PORT))
    print("listening", flush=True)
    asking, _ = listening.accept()
    missing = size
    while received := len(asking.recv(missing)):
        missing -= received
        if not missing:
            asking.sendall(b".")
            missing = size


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="One end of a connection whose speed is measured.")
    parser.add_argument("host")
    parser.add_argument("size", type=int)
    parser.add_argument("--answer", action="store_true")
    options = parser.parse_args()
    (_answer if options.answer else _ask)(options.host, options.size)
