"""charloom data"""

import sys

from cyclopts import App, Parameter

app = App(
    name="data",
    help="Named texts: list, fetch, show.",
    default_parameter=Parameter(negative=()),
    help_format="plaintext",
)


@app.command(name="list")
def list_(*, json: bool = False) -> None:
    """List the named texts.

    Parameters
    ----------
    json
        Print one JSON value.
    """
    from charloom.data.datasets import DATASETS

    facts = [
        {
            "name": entry.name,
            "description": entry.description,
            "licence": entry.licence,
            "sha256": entry.sha256,
            "address": entry.address,
        }
        for entry in DATASETS.values()
    ]
    if json:
        from charloom.cli.output import print_json

        print_json(facts)
        return
    for entry in DATASETS.values():
        print(f"{entry.name}\n    {entry.description} ({entry.licence})")
        print(
            f"    {'comes with Python' if entry.address is None else f'from {entry.address}, SHA-256 {entry.sha256}'}"
        )


@app.command
def fetch(name: str, /) -> None:
    """Fetch a text, check it, and print its path.

    Parameters
    ----------
    name
        Name of the text.
    """
    from charloom.data import datasets

    path = datasets.fetch(datasets.dataset(name))
    print(path if path is not None else f"{name} comes with Python; there is nothing to fetch")


@app.command
def show(name: str, /, *, characters: int = 600, json: bool = False) -> None:
    """Show a text's description, size and beginning.

    Parameters
    ----------
    name
        Name of the text.
    characters
        How much of its beginning to show.
    json
        Print one JSON value.
    """
    from charloom.data.datasets import dataset
    from charloom.data.text_sources import open_text
    from charloom.data.vocabulary import Vocabulary
    from charloom.settings import CorpusConfig

    entry = dataset(name)
    corpus = open_text(name, CorpusConfig())
    text = corpus.text
    distinct = len(Vocabulary.of(text.pieces())) - 1
    beginning = str(text.slice(0, min(max(0, characters), text.characters)))
    if json:
        from charloom.cli.output import print_json

        print_json(
            {
                "name": name,
                "description": entry.description,
                "licence": entry.licence,
                "sha256": text.sha256,
                "characters": text.characters,
                "bytes": text.bytes,
                "texts": max(1, len(text.ends)),
                "distinct_characters": distinct,
                "beginning": beginning,
            }
        )
        return
    print(f"{name}: {entry.description} ({entry.licence})")
    print(f"{text.characters:,} characters, {distinct} distinct, SHA-256 {text.sha256}\n", flush=True)
    sys.stdout.write(beginning + "\n")
