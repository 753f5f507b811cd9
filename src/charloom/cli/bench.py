"""charloom bench"""

from typing import Any


def bench(run: str | None = None, /, *, seconds: float = 1.0, json: bool = False) -> None:
    """Measure how fast this machine trains and writes.

    Keep the machine quiet: other work affects the figures.

    Parameters
    ----------
    run
        A run directory or a model folder to measure writing with; without it, an LSTM of 512 units over 65 characters.
    seconds
        How long to measure each figure.
    json
        Print one JSON value.
    """
    from charloom.cli.output import print_json

    facts = _measure(run, seconds)
    if json:
        print_json(facts)
        return
    machine, training, writing = facts["machine"], facts["training"], facts["writing"]
    megabytes, bandwidth = writing["weight_bytes"] / 1e6, writing["bandwidth"] / 1e9
    share = f"{writing['share']:.0%} of {writing['limit']:,.0f}"
    by = writing["bandwidth_by"]
    lines = (
        f"{machine['processor']}, {machine['threads']} threads, torch {machine['torch']}",
        f"precision   {training['precision']}: {training['precision_reason']}",
        f"training    {training['characters_per_second']:,.0f} characters per second, lstm 1x512, batch 32",
        f"writing     {writing['network']}, {writing['parameters']:,} parameters",
        f"  one text  {writing['one_text']:,.0f} characters per second, {share}, the limit",
        f"            of {megabytes:.2f} MB of weights per character at {bandwidth:,.1f} GB/s ({by})",
        f"  {writing['texts_together']} texts  {writing['together']:,.0f} characters per second together",
        f"  prompt    {writing['prompt']:,.0f} characters read per second",
    )
    print("\n".join(lines))


def _measure(run: str | None, seconds: float) -> dict[str, Any]:
    from charloom.generation import speed
    from charloom.generation.writer import Writer
    from charloom.machine.hardware import choose_device, choose_precision, machine
    from charloom.settings import NetworkConfig
    from charloom.training.speed import characters_per_second

    writer = Writer.load(run) if run else Writer(speed.fresh_model(NetworkConfig()))
    device = choose_device("auto")
    precision = choose_precision("auto", device.name, "lstm", 512)
    measured, network = speed.writing(writer, seconds=seconds), writer.config.network
    return {
        "machine": machine(),
        "training": {
            "device": device.name,
            "precision": precision.name,
            "precision_reason": precision.reason,
            "characters_per_second": characters_per_second(device, precision),
        },
        "writing": {
            "network": f"{network.cell} {network.layers}x{network.hidden_size}",
            "parameters": writer.parameters,
            "one_text": measured.one_text,
            "texts_together": measured.texts_together,
            "together": measured.together,
            "prompt": measured.prompt,
            "weight_bytes": measured.weight_bytes,
            "bandwidth": measured.bandwidth,
            "bandwidth_by": measured.bandwidth_by,
            "limit": measured.limit,
            "share": measured.share,
        },
    }
