"""The command `charloom`, and `python -m charloom`: first the signals, then what takes time to import."""

from charloom.interruption import end_on_signals, ignore_signals

end_on_signals()


def main() -> None:
    """Run the command line and leave with its exit code, whatever the moment of a signal."""
    import sys

    try:
        try:
            from charloom.cli.main import main as command

            command()
        finally:
            ignore_signals()
    except KeyboardInterrupt as interrupt:
        ignore_signals()
        sys.exit(getattr(interrupt, "exit_code", 130))


if __name__ == "__main__":
    main()
