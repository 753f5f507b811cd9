"""The command `charloom`, and `python -m charloom`: signal handlers first, then the slow imports."""

import _signal  # type: ignore[import-not-found]  # `signal` itself takes longer to import than all this
import os

for _name in ("SIGINT", "SIGTERM", "SIGHUP"):
    _number = getattr(_signal, _name, None)
    if _number is not None and (_signal.getsignal(_number) != _signal.SIG_IGN or _name != "SIGHUP"):
        _signal.signal(_number, lambda number, frame: os._exit(128 + number))

from charloom.machine.collector import collect_later  # noqa: E402

collect_later()

from charloom.interruption import catch_signals, ignore_signals  # noqa: E402


def main() -> None:
    """Run the command line and exit with its code, whenever a signal arrives."""
    import sys

    try:
        with catch_signals(command=True):
            from charloom.cli.main import main as command

            command()
    except KeyboardInterrupt as interrupt:
        sys.exit(getattr(interrupt, "exit_code", 130))
    finally:
        ignore_signals()


if __name__ == "__main__":
    main()
