"""charloom plot"""

from pathlib import Path


def plot(*runs: str, output: Path = Path("loss.png")) -> None:
    """Draw the loss curves of runs: training as lines, validation as points.

    Parameters
    ----------
    runs
        Run directories; several are drawn in one picture.
    output
        The picture, .png or .svg.
    """
    from charloom.errors import SettingsError
    from charloom.plotting.loss_curves import plot_loss
    from charloom.training.runs import as_run

    if not runs:
        raise SettingsError("no run to plot; name at least one run directory")
    found = [as_run(run) for run in runs]
    for run in found:
        run.config()
    plot_loss(found, output)
    print(output)
