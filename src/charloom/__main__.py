"""`python -m charloom` is the command line."""

from charloom.cli.main import main

if __name__ == "__main__":
    main()
