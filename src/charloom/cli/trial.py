"""`python -m charloom.cli.trial` is the command line, for the trials of a study: it ends when the study does."""

from charloom.study.lifeline import follow

if __name__ == "__main__":
    follow()  # before anything else is imported: from here on a study that is gone is noticed
    from charloom.cli.main import main

    main()
