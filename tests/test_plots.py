"""Pictures of runs: what they show, for any run."""

import json
import math
import re
import shutil
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

import charloom
from charloom.errors import CharloomError, FolderError, SettingsError
from charloom.plotting.loss_curves import Curves, draw, finding, limits, plot_loss, read_curves
from charloom.plotting.style import COLOURS, MARKERS
from charloom.settings import Cell, CorpusConfig, NetworkConfig, TrainingConfig
from charloom.training.runs import Run

X = np.array([1.0, 2.0, 3.0])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, small_text: str) -> list[Run]:
    """Two small networks on one text."""
    folder = tmp_path_factory.mktemp("runs")
    return [train(folder / f"small-{cell}", small_text, cell, steps=12) for cell in ("lstm", "gru")]


def train(path: Path, text: str, cell: Cell = "gru", *, steps: int, validated: bool = True) -> Run:
    return charloom.train(
        text,
        run=path,
        steps=steps,
        corpus=CorpusConfig(split=(0.9, 0.1, 0.0) if validated else (1.0, 0.0, 0.0)),
        network=NetworkConfig(cell=cell, hidden_size=16, embedding_size=8),
        training=TrainingConfig(batch_size=8, sequence_length=32, learning_rate=0.01, validations=4),
        device="cpu",
    )


def curves(
    name: str, *, validation: tuple[float, ...] = (), final: tuple[float, ...] = (), training: float = 2
) -> Curves:
    """Curves with made-up figures."""
    losses = [4.5, 3.0, training]
    return Curves(
        name,
        (np.array([1e3, 2e3, 3e3]), np.array(losses)),
        (np.linspace(1e3, 3e3, len(validation)), np.array(validation)),
        (np.full(len(final), 3e3), np.array(final)),
    )


def words(picture: Path) -> list[str]:
    """The texts of an SVG, which matplotlib writes next to their outlines."""
    return re.findall(r"<!-- (.*?) -->", picture.read_text(encoding="utf-8"), re.DOTALL)


# --- files ---


def test_a_png_is_written(runs: list[Run], tmp_path: Path) -> None:
    plot_loss(runs, tmp_path / "loss.png")
    with Image.open(tmp_path / "loss.png") as picture:
        picture.load()
        assert picture.format == "PNG"
        assert min(picture.size) > 600
        assert len(picture.convert("RGB").getcolors(1 << 20) or []) > 10  # not blank


def test_an_svg_is_written(runs: list[Run], tmp_path: Path) -> None:
    plot_loss(runs, tmp_path / "loss.svg")
    assert ElementTree.parse(tmp_path / "loss.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"


@pytest.mark.parametrize("name", ["loss.pdf", "loss", "loss.png.txt", ".png"])
def test_an_ending_that_is_no_picture_is_refused_and_nothing_is_written(
    name: str, runs: list[Run], tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match=r"does not end in \.png or \.svg"):
        plot_loss(runs, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_an_ending_may_be_written_in_capitals(runs: list[Run], tmp_path: Path) -> None:
    plot_loss(runs, tmp_path / "LOSS.PNG")
    with Image.open(tmp_path / "LOSS.PNG") as picture:
        assert picture.format == "PNG"


def test_a_run_without_metrics_is_refused_by_its_name_and_nothing_is_written(runs: list[Run], tmp_path: Path) -> None:
    (tmp_path / "begun").mkdir()
    with pytest.raises(FolderError, match="begun has no metrics yet"):
        plot_loss([runs[0], Run(tmp_path / "begun")], tmp_path / "loss.png")
    assert not (tmp_path / "loss.png").exists()


def test_a_folder_that_is_not_there_is_refused(runs: list[Run], tmp_path: Path) -> None:
    with pytest.raises(CharloomError):
        plot_loss(runs, tmp_path / "absent" / "loss.png")


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_same_runs_give_the_same_file(ending: str, runs: list[Run], tmp_path: Path) -> None:
    one, other = tmp_path / f"one.{ending}", tmp_path / f"other.{ending}"
    plot_loss(runs, one)
    plot_loss(runs, other)
    assert one.read_bytes() == other.read_bytes()


# --- runs of all kinds ---


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_a_run_of_a_few_steps_is_drawn(steps: int, small_text: str, tmp_path: Path) -> None:
    plot_loss([train(tmp_path / "run", small_text, steps=steps)], tmp_path / "loss.svg")
    assert any(text.startswith("run reaches a validation loss") for text in words(tmp_path / "loss.svg"))


def test_a_run_without_validation_is_drawn_and_said_to_have_none(small_text: str, tmp_path: Path) -> None:
    plot_loss([train(tmp_path / "run", small_text, steps=3, validated=False)], tmp_path / "loss.svg")
    said = " ".join(words(tmp_path / "loss.svg"))
    assert "run reaches a training loss of" in said
    assert "there is no validation" in said


@pytest.mark.parametrize("name", ["_hidden", "cost $x^$", "ひらがな", "a" * 100, "<&>"])
def test_a_run_of_any_name_is_drawn_with_its_name(name: str, runs: list[Run], tmp_path: Path) -> None:
    shutil.copytree(runs[0].path, tmp_path / name)
    plot_loss([Run(tmp_path / name), runs[1]], tmp_path / "loss.svg")
    plot_loss([Run(tmp_path / name)], tmp_path / "loss.png")
    escaped = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert any(text.startswith((escaped[:25], name[:25])) for text in words(tmp_path / "loss.svg"))


def test_two_runs_of_one_name_are_told_apart_by_their_paths(runs: list[Run], tmp_path: Path) -> None:
    for folder in ("a", "b"):
        shutil.copytree(runs[0].path, tmp_path / folder / "run")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        plot_loss([Run(Path("a/run")), Run(Path("b/run"))], tmp_path / "loss.svg")
    assert {str(Path("a/run")), str(Path("b/run"))} <= set(words(tmp_path / "loss.svg"))


def test_the_curves_are_what_was_recorded(runs: list[Run]) -> None:
    lines = [json.loads(line) for line in (runs[0].path / "metrics.jsonl").read_text().splitlines()]
    seen = {line["step"]: line["characters_seen"] for line in lines if "loss_nats" in line}
    found = read_curves(runs[0], "run")
    assert dict(zip(*found.training, strict=True)) == {
        line["characters_seen"]: line["loss_nats"] for line in lines if "loss_nats" in line
    }
    expected = {seen[line["step"]]: line["validation"]["nats_per_character"] for line in lines if "validation" in line}
    assert dict(zip(*found.validation, strict=True)) == expected
    best = min(expected, key=expected.__getitem__)
    assert dict(zip(*found.kept, strict=True)) == {best: expected[best]}
    (final,) = [line["final"]["nats_per_character"] for line in lines if "final" in line]
    assert dict(zip(*found.final, strict=True)) == {best: final}  # the figure of the kept model


def test_a_ring_marks_the_model_that_is_kept_on_the_curve_of_each_run() -> None:
    figure = Figure()
    draw(figure, [Curves("one", (X, X), (X, X), (X[:0], X[:0]), (X[1:2], X[1:2])), curves("two")])
    rings = figure.axes[0].get_lines()[3::4]
    assert [ring.get_xydata().tolist() for ring in rings] == [[[X[1] / 1e3, X[1]]], []]
    assert rings[0].get_fillstyle() == "none"
    assert "model that is kept" in [text.get_text() for text in figure.legends[0].get_texts()]


# --- what the title says ---


def test_the_title_names_the_run_with_the_lowest_final_loss_and_by_how_much() -> None:
    one = curves("one", validation=(3, 2.6), final=(2.4,))
    other = curves("other", validation=(3, 2.5), final=(2.55,))  # better on the part used during training
    assert finding([other, one]) == (
        "one has the lowest validation loss, 2.400 nats (3.462 bits) per character,\n0.150 nats below other"
    )


def test_the_title_of_one_run_gives_its_figure() -> None:
    text = finding([curves("one", validation=(3, 2.6), final=(2.4,))])
    assert text == "one reaches a validation loss of\n2.400 nats (3.462 bits) per character"


def test_a_run_that_is_not_finished_is_compared_by_what_all_have() -> None:
    finished = curves("finished", validation=(3, 2.6), final=(2.2,))
    going = curves("going", validation=(2.5,))
    assert finding([finished, going]).startswith("going has the lowest validation loss, 2.500 nats")


def test_a_difference_that_cannot_be_seen_is_none() -> None:
    one, other = curves("one", final=(2.4001,)), curves("other", final=(2.4002,))
    assert finding([one, other]).startswith("one and other reach the same validation loss")


def test_a_run_that_was_extended_is_known_by_its_last_figure() -> None:
    assert "2.100 nats" in finding([curves("one", final=(2.4, 2.1))])


# --- what one sees ---


@pytest.mark.parametrize(
    "drawn",
    [
        [curves("one", validation=(4.6, 1.4), final=(1.2,), training=1.3)],
        [curves("one", final=(1.0,)), curves("bad", validation=(4.6,), final=(4.5,))],
        [curves("one", validation=(2.0,))],
        [curves("one")],
    ],
)
def test_each_outcome_lies_within_the_picture(drawn: list[Curves]) -> None:
    low, high = limits(drawn)
    for one in drawn:
        for _, losses in (one.training, one.validation, one.final):
            assert all(low < loss < high for loss in losses[-1:])
            assert all(low < loss for loss in losses)


def test_how_an_untrained_network_began_does_not_flatten_the_rest() -> None:
    one = curves("one", final=(1.2,), training=1.3)
    one.training[1][0] = 200.0
    assert limits([one])[1] < 4


def test_the_axes_say_what_they_are_and_in_what_unit(runs: list[Run], tmp_path: Path) -> None:
    plot_loss(runs, tmp_path / "loss.svg")
    assert {"characters seen (thousands)", "loss (nats per character)", "bits per character"} <= set(
        words(tmp_path / "loss.svg")
    )


def test_bits_stand_beside_their_nats() -> None:
    figure = Figure()
    draw(figure, [curves("one", final=(1.2,))])
    FigureCanvasAgg(figure).draw()
    (axes,) = figure.axes
    (bits,) = axes.child_axes
    assert bits.get_ylim() == pytest.approx([nats / math.log(2) for nats in axes.get_ylim()])


@pytest.mark.parametrize("count", [1, 2, 9])
def test_the_legend_names_every_run_and_covers_no_data(count: int) -> None:
    figure = Figure(figsize=(8, 5.2), layout="constrained")
    draw(figure, [curves(f"run {number}", validation=(2.5,), final=(2 + number,)) for number in range(count)])
    FigureCanvasAgg(figure).draw()
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == [
        *(f"run {number}" for number in range(count)),
        "training",
        "validation, during the run",
        "validation, at the end",
    ]
    assert not legend.get_window_extent().overlaps(figure.axes[0].get_window_extent())


def test_the_legend_names_no_points_that_are_not_there() -> None:
    figure = Figure()
    draw(figure, [curves("one")])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["one", "training"]


def test_each_run_has_a_colour_and_a_marker_of_its_own() -> None:
    figure = Figure()
    draw(figure, [curves(str(number), validation=(2.5,), final=(2,)) for number in range(7)])
    lines = figure.axes[0].get_lines()
    validations = lines[1::4]
    assert len({line.get_color() for line in validations}) == len({line.get_marker() for line in validations}) == 7
    for training, validation, final in zip(lines[::4], validations, lines[2::4], strict=True):
        assert training.get_color() == validation.get_color() == final.get_color()


def test_colours_differ_in_brightness_and_not_in_hue_alone() -> None:
    channels = np.array([[int(colour[place : place + 2], 16) for place in (1, 3, 5)] for colour in COLOURS])
    brightness = channels @ [0.299, 0.587, 0.114]
    assert len(COLOURS) == len(MARKERS)
    assert np.diff(np.sort(brightness)).min() > 1
    assert abs(brightness[0] - brightness[1]) > 20  # the two most used colours
