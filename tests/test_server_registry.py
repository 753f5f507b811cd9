"""Models by name, and what happens when the files of one change."""

import asyncio
import os
import shutil
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from charloom.errors import FolderError, NotFiniteError, SettingsError
from charloom.places.names import name_of
from charloom.places.packing import pack
from charloom.server.batching.jobs import Job
from charloom.server.metered import MeteredEngine
from charloom.server.metrics import Metrics
from charloom.server.registry import Models, named
from charloom.server.reloading import Reloading
from charloom.server.served import UnknownModelError
from models import small_model, write_folder
from server_help import StandInEngine

LETTERS = "some text to write, say\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_folder(small_model(LETTERS, seed=1), tmp_path / "small")


def loaded(*places: object) -> Models:
    models = Models([str(place) for place in places], StandInEngine, Metrics())
    models.load()
    return models


async def written(models: Models, name: str, length: int = 12) -> str:
    """What a model writes now."""
    return await finished(models, name, models_stream(models, name, length))


def models_stream(models: Models, name: str, length: int):  # type: ignore[no-untyped-def]
    served = models.get(name)
    assert served.engine is not None and served.writer is not None
    return served.engine.submit(Job(served.writer.prompts(["some "])[0], length))


async def finished(models: Models, name: str, stream) -> str:  # type: ignore[no-untyped-def]
    return "".join([piece.text async for piece in stream])


def test_names_are_those_of_folders_and_ready_made_models(folder: Path, tmp_path: Path) -> None:
    assert name_of("english") == "english"
    assert name_of("owner/name@v2") == "name"
    assert name_of(str(folder)) == name_of(f"{folder}/") == name_of(f"{folder}/../small") == "small"
    (tmp_path / "run").mkdir()
    folder.rename(tmp_path / "run" / "model")
    assert name_of(str(tmp_path / "run" / "model")) == name_of(str(tmp_path / "run")) == "run"
    assert name_of("somewhere/talk.zip") == "talk"
    with pytest.raises(SettingsError, match="no name that others could use"):
        name_of("/")
    with pytest.raises(SettingsError, match="no name that others could use"):
        name_of("a\nb")


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(SettingsError, match="would both be served as 'b'; rename one of the folders"):
        named(["a/../b", "c/b"])


def test_models_are_found_by_name_and_the_first_language_model_without(folder: Path, tmp_path: Path) -> None:
    other = write_folder(small_model(LETTERS, seed=2), tmp_path / "other")
    models = loaded("languages", folder, other)
    assert models.names() == ["languages", "small", "other"]
    assert models.get().name == "small" and models.get("other").name == "other"
    assert models.get("languages").classifier is not None and models.get("languages").engine is None
    assert models.get("languages").applications == ("classify",)
    assert models.get("small").applications == ("score", "activity", "complete")
    for unknown in ("", "smal", "Small", "x" * 1000, "a\r\nb"):
        with pytest.raises(UnknownModelError) as refused:
            models.get(unknown)
        assert str(refused.value).isprintable()


def test_classifiers_alone_write_no_text() -> None:
    with pytest.raises(SettingsError, match="only classifiers are served here"):
        loaded("languages").get()


def test_a_model_that_cannot_be_read_is_refused_at_the_start(folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(FolderError):
        loaded(folder)


def test_a_model_whose_output_is_not_finite_is_never_ready(tmp_path: Path) -> None:
    models = loaded(broken(tmp_path / "broken"))
    with pytest.raises(NotFiniteError):
        asyncio.run(models.prove())


def broken(path: Path) -> Path:
    """A model of finite weights that are so large that its output is not finite."""
    model = small_model(LETTERS, "rnn-relu")
    for parameter in model.network.parameters():
        parameter.data[:] = 1e15
    return write_folder(model, path)


def replace_model(folder: Path, seed: int) -> None:
    """What a training does when it keeps a better model: the weights are replaced by one rename."""
    fresh = folder.parent / "fresh"
    write_folder(small_model(LETTERS, seed=seed), fresh)
    (fresh / "model.safetensors").replace(folder / "model.safetensors")
    shutil.rmtree(fresh)


def test_a_retrained_model_takes_over_and_the_old_one_ends_its_texts(folder: Path) -> None:
    async def run() -> None:
        models = loaded(folder)
        reloading = Reloading(models)
        before, old = await written(models, "small"), models.get("small").engine
        assert isinstance(old, MeteredEngine) and isinstance(old.engine, StandInEngine)
        assert not await reloading.look("small")
        old.engine.go_on.clear()
        running = asyncio.create_task(finished(models, "small", models_stream(models, "small", 12)))
        await asyncio.sleep(0)
        replace_model(folder, 2)
        assert await reloading.look("small")
        after = await written(models, "small")
        assert after != before
        assert not running.done() and old.engine.closed
        old.engine.go_on.set()
        assert await running == before
        await asyncio.sleep(0.05)
        assert old.engine.running == 0
        assert not await reloading.look("small")
        assert models.metrics.of("small").reloads == 1
        await models.close(grace=0.0)

    asyncio.run(run())


DAMAGES = {
    "cut off": lambda folder: (folder / "model.safetensors").write_bytes(
        (folder / "model.safetensors").read_bytes()[:-100]
    ),
    "empty": lambda folder: (folder / "model.safetensors").write_bytes(b""),
    "gone": lambda folder: (folder / "model.safetensors").unlink(),
    "without a vocabulary": lambda folder: (folder / "vocabulary.json").unlink(),
    "without a folder": lambda folder: shutil.rmtree(folder),
    "not JSON": lambda folder: (folder / "config.json").write_text("{"),
    "not finite": lambda folder: (shutil.rmtree(folder), broken(folder)),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_model_leaves_the_old_one_serving_and_is_logged_once(
    folder: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = shutil.copytree(folder, folder.parent / "whole")

    async def run() -> None:
        models = loaded(folder)
        reloading, before, served = Reloading(models), await written(models, "small"), models.get("small")
        DAMAGES[damage](folder)
        for _ in range(3):
            assert not await reloading.look("small")
        assert models.get("small") is served and await written(models, "small") == before
        (line,) = caplog.messages
        assert "small has changed and cannot be used, so the model before it is served on: " in line
        assert models.metrics.of("small").failed_reloads == 1
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        replace_model(folder, 3)
        assert await reloading.look("small")  # it is found again once it is whole
        assert await written(models, "small") != before

    asyncio.run(run())


def test_a_packed_run_that_is_packed_again_is_loaded_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHARLOOM_CACHE", str(folder.parent / "cache"))
    place = folder.parent / "talk.zip"

    def packed() -> None:
        with place.with_suffix(".new").open("wb") as file:
            pack(folder, file)
        place.with_suffix(".new").replace(place)

    async def run() -> None:
        packed()
        models = loaded(place)
        before = await written(models, "talk")
        replace_model(folder, 2)
        assert not await Reloading(models).look("talk")
        packed()
        assert await Reloading(models).look("talk")
        assert await written(models, "talk") != before

    asyncio.run(run())


def test_a_touched_file_is_read_again_and_writes_the_same(folder: Path) -> None:
    async def run() -> None:
        models = loaded(folder)
        before = await written(models, "small")
        os.utime(folder / "model.safetensors", (1, 1))
        assert await Reloading(models).look("small")
        assert models.get("small").created == 1
        assert await written(models, "small") == before

    asyncio.run(run())


def test_a_model_that_is_written_while_it_is_read_waits_for_the_next_look(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        models = loaded(folder)
        served, read = models.get("small"), models.read

        def read_while_written(name: str):  # type: ignore[no-untyped-def]
            entry = read(name)
            replace_model(folder, 3)
            return entry

        replace_model(folder, 2)
        monkeypatch.setattr(models, "read", read_while_written)
        assert not await Reloading(models).look("small")
        assert models.get("small") is served
        monkeypatch.undo()
        assert await Reloading(models).look("small")

    asyncio.run(run())


def test_what_an_engine_does_is_counted(folder: Path) -> None:
    async def run() -> None:
        models = loaded(folder)
        await models.prove()
        figures = models.metrics.of("small")
        assert figures.characters_written == 0  # the proof is not counted
        await written(models, "small", 10)
        assert figures.characters_written == 10 and figures.characters_read == 6
        assert sum(figures.first.counts) == 1 and sum(figures.between.counts) == 9
        streams = [models_stream(models, "small", 5) for _ in range(8)]
        with pytest.raises(Exception, match="all rows are taken"):
            models_stream(models, "small", 5)
        for stream in streams:
            stream.cancel()
            stream.cancel()
        assert (figures.rejected, figures.cancelled) == (1, 8)
        stream = models_stream(models, "small", 3)
        await finished(models, "small", stream)
        stream.cancel()  # it has ended
        assert figures.cancelled == 8

    asyncio.run(run())


def test_watching_ends_with_its_task_and_survives_what_nobody_expects(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def run() -> None:
        models = loaded(folder)
        monkeypatch.setattr(models, "read", lambda name: 1 / 0)
        watching = asyncio.create_task(Reloading(models, every=0.01).run())
        replace_model(folder, 2)
        while not caplog.records:
            await asyncio.sleep(0.01)
        monkeypatch.undo()
        replace_model(folder, 3)
        while models.metrics.of("small").reloads == 0:
            await asyncio.sleep(0.01)
        watching.cancel()

    asyncio.run(run())
    assert caplog.records[0].exc_info
