"""charloom push"""

import sys
from collections.abc import Mapping


def push(
    run: str,
    repository: str,
    /,
    *,
    private: bool = False,
    revision: str | None = None,
    create_pr: bool = False,
    license: str | None = None,
    language: list[str] | None = None,
    datasets: list[str] | None = None,
    yes: bool = False,
    json: bool = False,
) -> None:
    """Share a model on a hub: huggingface.co, or the one that HF_ENDPOINT names.

    Shows the card and the files, and asks before it uploads anything. Only the model is uploaded, never the text that
    it was trained on. The token comes from HF_TOKEN or from `hf auth login`.

    Parameters
    ----------
    run
        A run directory, a model folder or a packed file, of a language model or a classifier.
    repository
        Where to: OWNER/NAME; it is created if it does not exist.
    private
        Create a repository that only its owner sees.
    revision
        An existing branch to upload to, instead of the main one.
    create_pr
        Propose the files in a pull request instead of changing the branch.
    license
        Identifier of the licence that you give the model, such as cc-by-4.0.
    language
        Language of the texts, such as en. Can be given several times.
    datasets
        The hub's name of a data set that the model was trained on, OWNER/NAME. Can be given several times.
    yes
        Upload without asking.
    json
        Print one JSON value.
    """
    from charloom.cli.output import print_json, say
    from charloom.cli.sharing import addressed, files_to_share, with_metadata
    from charloom.places.downloads import hub_errors
    from charloom.places.endpoint import host
    from charloom.places.uploads import upload

    where = addressed(repository, revision)
    files = files_to_share(run, where)
    with hub_errors(where, f"uploading {where} to {host()}"):
        files["README.md"] = with_metadata(files["README.md"], license, language, datasets)
    _show(files, str(where), private=private)
    if not yes and not _agreed():
        say("nothing was uploaded")
        return
    url = upload(files, where, private=private or None, create_pr=create_pr)
    if json:
        print_json({"repository": str(where), "url": url, "files": sorted(files), "bytes": _size(files)})
    else:
        print(url)


def _show(files: Mapping[str, bytes], where: str, *, private: bool) -> None:
    from charloom.cli.output import say

    say(files["README.md"].decode("utf-8", "replace"))
    say(f"to {where}{' (private)' if private else ''}: {len(files)} files, {_size(files):,} bytes")
    for name, data in sorted(files.items()):
        say(f"    {name}  {len(data):,}")


def _size(files: Mapping[str, bytes]) -> int:
    return sum(map(len, files.values()))


def _agreed() -> bool:
    """Ask on the terminal. Raises `SettingsError` if there is none."""
    from charloom.errors import SettingsError

    if not sys.stdin.isatty():
        raise SettingsError(
            "nothing was uploaded, because there is no terminal to confirm it; check the card, then add --yes"
        )
    print("upload this? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
