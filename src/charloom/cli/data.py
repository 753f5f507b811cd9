"""charloom data"""

import sys

from cyclopts import App, Parameter

app = App(
    name="data",
    help="Named texts: list, fetch, show. What lies in the cache: cache.",
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


@app.command
def cache(*, remove: tuple[str, ...] = (), clear: bool = False, json: bool = False) -> None:
    """List what lies in the cache, with its sizes and what it was made from, or remove it.

    In the cache are clean copies of large texts and what is known of them, unpacked models, and models from a hub. All
    of it is made or fetched again when it is needed. CHARLOOM_CACHE moves the cache.

    Parameters
    ----------
    remove
        Remove this, by its name in the list; may be repeated.
    clear
        Remove everything that no other process is using.
    json
        Print one JSON value.
    """
    from charloom.cli.output import print_json
    from charloom.errors import FolderError, SettingsError
    from charloom.places import cache_entries
    from charloom.places.cache import cache as folder

    if clear and remove:
        raise SettingsError("--clear removes everything; leave out --remove")
    removed, kept = [cache_entries.remove(name) for name in dict.fromkeys(remove)], list[str]()
    if clear:
        for entry in cache_entries.entries():
            try:
                removed.append(cache_entries.remove(entry.name))
            except FolderError as error:
                kept.append(str(error))
        cache_entries.remove_unfinished()
    listed = removed if remove or clear else cache_entries.entries()
    if json:
        rows = [
            {"name": each.name, "bytes": each.bytes, "made_from": each.made_from, "in_use": each.in_use}
            for each in listed
        ]
        print_json({"cache": str(folder()), "removed" if remove or clear else "entries": rows, "kept": kept})
        return
    for each in listed:
        print(f"{each.name}\t{each.bytes:,} bytes\tfrom {each.made_from}{', in use' if each.in_use else ''}")
    for line in kept:
        print(line, file=sys.stderr)
    done = "removed from" if remove or clear else "in"
    print(f"{sum(each.bytes for each in listed):,} bytes {done} {folder()}")
