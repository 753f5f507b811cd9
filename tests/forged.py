"""`charloom` as a shell function would call it, in a process forked from one that has imported everything already.

Importing takes longer than most commands of the documentation work. Each command still has a process, a folder, an
environment, standard streams and an exit of its own.

Usage: python -S -E tests/forged.py SOCKET ARGUMENT ...   what the shell calls
       python -S -E tests/forged.py SOCKET --script FILE  the same for a program in Python
       python tests/forged.py --serve SOCKET              the process that it is forked from
"""

import os
import socket
import sys

SCRIPT = "--script"

HEADER = 1 << 20
"""Bytes of a request at most."""


def call(address: str, arguments: list[str]) -> int:
    """Have a command run with this process's folder, environment and standard streams; returns its exit code."""
    words = [
        os.getcwd(),  # noqa: PTH109  (pathlib takes time to import)
        str(len(arguments)),
        *arguments,
        *(f"{name}={value}" for name, value in os.environ.items()),
    ]
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(address)
        socket.send_fds(connection, [b"\0".join(word.encode() for word in words)], [0, 1, 2])
        connection.shutdown(socket.SHUT_WR)
        return int(connection.recv(16) or b"70")


def serve(address: str) -> None:
    """Fork commands for those who call, until the standard input ends."""
    import select
    import signal

    from forked import import_everything

    import_everything()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("ready", flush=True)
        while True:
            ready, _, _ = select.select([listening, 0], [], [])
            if listening not in ready:
                return
            connection, _ = listening.accept()
            with connection:
                if os.fork() == 0:
                    listening.close()
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    answer(connection)
                    os._exit(0)


def answer(connection: socket.socket) -> None:
    """Run the command that a caller asks for, and tell its exit code."""
    data, streams, _, _ = socket.recv_fds(connection, HEADER, 3)
    while piece := connection.recv(HEADER):
        data += piece
    child = os.fork()
    if child == 0:
        connection.close()
        run([word.decode() for word in data.split(b"\0")], streams)
    for stream in streams:
        os.close(stream)
    _, status = os.waitpid(child, 0)
    connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())


def run(words: list[str], streams: list[int]) -> None:
    """Be that command, to the end of this process."""
    import runpy
    import time

    import charloom.cli.train
    from forked import become

    folder, count, *rest = words
    arguments, environment = rest[: int(count)], dict(word.split("=", 1) for word in rest[int(count) :])

    def work() -> None:
        charloom.cli.train.STARTED = time.monotonic()
        if arguments[0] == SCRIPT:
            sys.argv = arguments[1:]
            runpy.run_path(arguments[1], run_name="__main__")
            return
        sys.argv = ["charloom", *arguments]
        runpy.run_module("charloom", run_name="__main__", alter_sys=True)

    become(work, streams=streams, folder=folder, environment=environment)


if __name__ == "__main__":
    if sys.argv[1] == "--serve":
        serve(sys.argv[2])
    else:
        sys.exit(call(sys.argv[1], sys.argv[2:]))
