"""charloom models"""

from cyclopts import App, Parameter

app = App(
    name="models",
    help="Ready-made models: list, show.",
    default_parameter=Parameter(negative=()),
    help_format="plaintext",
)


@app.command(name="list")
def list_(*, json: bool = False) -> None:
    """List the models that come with charloom; each name stands wherever a RUN is expected.

    Parameters
    ----------
    json
        Print one JSON value.
    """
    from charloom.places.ready_made import READY_MADE

    if json:
        from charloom.cli.output import print_json

        print_json([{"name": each.name, "kind": each.kind, "summary": each.summary} for each in READY_MADE.values()])
        return
    for entry in READY_MADE.values():
        print(f"{entry.name}\n    {entry.summary} ({entry.kind})")


@app.command
def show(name: str, /, *, json: bool = False) -> None:
    """Show a model's card: what it was trained on, how, and how good it is.

    Parameters
    ----------
    name
        Name of the model.
    json
        Print one JSON value.
    """
    from charloom.places.ready_made import ready_made

    entry = ready_made(name)
    card = entry.card()
    if json:
        from charloom.cli.output import print_json

        print_json(
            {"name": name, "kind": entry.kind, "summary": entry.summary, "path": str(entry.folder), "card": card}
        )
        return
    print(card, end="")
