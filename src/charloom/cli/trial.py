"""`python -m charloom.cli.trial` is the command line for a study's trials: it ends when the study does."""

from charloom.study.lifeline import follow

if __name__ == "__main__":
    follow()  # before other imports: from here on, a vanished study is noticed
    from charloom.machine.collector import collect_later

    collect_later()
    from charloom.cli.main import main

    main()
