"""One request, one text: what a job writes and reports never depends on what else the engine does."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pytest

import charloom
from charloom.data import text_ids
from charloom.data.text import Text
from charloom.errors import CharloomError, NotFiniteError, SettingsError, TextError
from charloom.evaluation.surprisal import Surprises
from charloom.generation.writer import Writer
from charloom.models.language_model import LanguageModel
from charloom.server.batching import engine as engine_module
from charloom.server.batching import streams as piece_streams
from charloom.server.batching.engine import ModelEngine, ServerClosed
from charloom.server.batching.jobs import Job, Piece, ServerBusy, Symbol
from charloom.server.batching.steps import MOST_AT_A_TIME
from charloom.server.batching.streams import PieceStream
from charloom.settings import SamplingConfig
from models import small_model

TEXT = "the quick brown fox jumps over the lazy dog; and then, aaab!\n" * 2
PATIENCE = 60


class Outcome(NamedTuple):
    """All pieces of a job as one."""

    read: tuple[Symbol, ...]
    text: str
    written: tuple[Symbol, ...]
    draws: int
    stop_reason: str | None
    pieces: int


async def outcome(stream: PieceStream) -> Outcome:
    pieces: list[Piece] = [piece async for piece in stream]
    assert all(piece.stop_reason is None for piece in pieces[:-1])
    return Outcome(
        sum((piece.read for piece in pieces), ()),
        "".join(piece.text for piece in pieces),
        sum((piece.written for piece in pieces), ()),
        pieces[-1].draws if pieces else -1,
        pieces[-1].stop_reason if pieces else None,
        len(pieces),
    )


def run(engine: ModelEngine, work: Callable[[], Awaitable[object]]) -> object:
    """Do the work in an event loop of its own."""

    async def bounded() -> object:
        async with asyncio.timeout(PATIENCE):
            return await work()

    return asyncio.run(bounded())


def together(engine: ModelEngine, jobs: list[Job]) -> list[Outcome]:
    async def work() -> list[Outcome]:
        return await asyncio.gather(*[outcome(engine.submit(job)) for job in jobs])

    return run(engine, work)  # type: ignore[return-value]


def alone(engine: ModelEngine, job: Job) -> Outcome:
    return together(engine, [job])[0]


def close(engine: ModelEngine) -> None:
    asyncio.run(engine.close(grace=0))


@pytest.fixture(scope="module")
def model() -> LanguageModel:
    return small_model(TEXT, hidden_size=40, sharpness=1.5)


@pytest.fixture(scope="module")
def writer(model: LanguageModel) -> Writer:
    return Writer(model)


@pytest.fixture(scope="module")
def engine(writer: Writer) -> Iterator[ModelEngine]:
    made = ModelEngine(writer, rows=24, queue=100)
    yield made
    close(made)


def job(of: Writer, prompt: str = "", length: int = 40, **more: object) -> Job:
    return Job(of.prompts([prompt])[0], length, **more)  # type: ignore[arg-type]


def various(of: Writer, count: int, seed: int = 0) -> list[Job]:
    """Jobs of all kinds."""
    draw = np.random.Generator(np.random.PCG64(seed))
    jobs = []
    for number in range(count):
        prompt = TEXT[: draw.integers(0, 60)]
        sampling = SamplingConfig(
            temperature=float(draw.choice([1.0, 0.7])),
            top_p=float(draw.choice([1.0, 0.9])),
            top_k=int(draw.choice([0, 5])),
            repetition_penalty=float(draw.choice([1.0, 1.3])),
            greedy=bool(draw.random() < 0.1),
        )
        alternatives = [None if draw.random() < 0.4 else int(draw.integers(0, 6)) for _ in range(2)]
        ids = of.prompts([prompt])[0]
        jobs.append(
            Job(
                ids[1:] if number % 4 == 1 and len(ids) > 1 else ids,  # a window of a text
                int(draw.integers(0, 60)),
                sampling,
                ("zq",) if number % 3 else (),
                number,
                int(draw.integers(0, 3)),
                *alternatives,
            )
        )
    return jobs


def test_a_job_writes_the_same_alone_as_beside_others_that_come_and_go(writer: Writer, engine: ModelEngine) -> None:
    jobs, draw = various(writer, 100), np.random.Generator(np.random.PCG64(1))
    expected = [alone(engine, each) for each in jobs]
    cancelled = set(draw.permutation(100)[:33].tolist())
    delays = draw.integers(0, 60, (100, 2)).tolist()

    async def one(number: int) -> Outcome | None:
        for _ in range(delays[number][0]):
            await asyncio.sleep(0)
        stream = engine.submit(jobs[number])
        if number not in cancelled:
            return await outcome(stream)
        for _ in range(delays[number][1] // 2):
            await asyncio.sleep(0.0005)
        stream.cancel()
        await outcome(stream)
        return None

    async def work() -> list[Outcome | None]:
        return await asyncio.gather(*[one(number) for number in range(100)])

    found = run(engine, work)
    for number, (mine, his) in enumerate(zip(expected, found, strict=True)):  # type: ignore[call-overload]
        if number not in cancelled:
            assert his._replace(pieces=0) == mine._replace(pieces=0)  # log-probabilities bit for bit
    assert engine.waiting == 0


def test_the_text_is_the_one_that_generate_writes(writer: Writer, engine: ModelEngine) -> None:
    jobs = [job(writer, TEXT[:seed], 120, seed=seed, sampling=SamplingConfig(temperature=0.8)) for seed in range(20)]
    for seed, found in enumerate(together(engine, jobs)):
        assert found.text == "".join(charloom.generate(writer, TEXT[:seed], length=120, seed=seed, temperature=0.8))
        assert (found.stop_reason, found.draws) == ("length", 120)


@pytest.mark.parametrize("first", [1, 17, 63, 64, 65, 100])
def test_a_text_in_two_requests_is_the_text_of_one(writer: Writer, engine: ModelEngine, first: int) -> None:
    sampling = SamplingConfig(repetition_penalty=1.2, temperature=0.9)
    whole = alone(engine, job(writer, "the ", 150, seed=4, sampling=sampling, written_alternatives=2))
    begun = alone(engine, job(writer, "the ", first, seed=4, sampling=sampling, written_alternatives=2))
    more = {"seed": 4, "sampling": sampling, "written_alternatives": 2, "draws": begun.draws}
    rest = alone(engine, job(writer, "the " + begun.text, 150 - first, **more))
    assert begun.text + rest.text == whole.text
    assert begun.written + rest.written == whole.written
    assert rest.draws == whole.draws == 150


@pytest.mark.parametrize("length", [0, 1, 2, 63, 200])
def test_exactly_that_many_characters_come(writer: Writer, engine: ModelEngine, length: int) -> None:
    found = alone(engine, job(writer, "fox", length, written_alternatives=1))
    assert (len(found.text), len(found.written), found.stop_reason) == (length, length, "length")
    assert writer.vocabulary.decode([symbol.id for symbol in found.written]) == found.text


def test_a_stop_string_ends_the_text_and_only_the_text_before_it_is_reported() -> None:
    of = Writer(small_model("ab", layers=1, sharpness=0.3))
    engine = ModelEngine(of, rows=8)
    try:
        for seed in range(8):
            whole = alone(engine, job(of, "", 200, seed=seed, written_alternatives=0))
            found = alone(engine, job(of, "", 200, seed=seed, written_alternatives=0, stop=("aab", "bbbbbbb")))
            end = min(whole.text.find(stop) % 1000 for stop in ("aab", "bbbbbbb"))
            assert (found.text, found.stop_reason) == (whole.text[:end], "stop")
            assert found.written == whole.written[:end]
        assert "aaab" in whole.text  # where an impatient search for aab finds nothing
    finally:
        close(engine)


@pytest.mark.parametrize("kind", ["characters", "bytes"])
def test_a_text_that_the_model_ends_is_the_one_of_generate(kind: str) -> None:
    import torch

    model = small_model("añb\n", documents="lines", kind=kind)
    with torch.no_grad():
        model.network.output.bias[model.vocabulary.boundary] += 1
    of = Writer(model)
    engine = ModelEngine(of, rows=8)
    try:
        ended = set()
        for seed in range(12):
            found = alone(engine, job(of, "ab", 60, seed=seed, written_alternatives=0))
            sample = charloom.generate_many(of, ["ab"], length=60, seed=seed)[0]
            assert (found.text, found.stop_reason) == (sample.text, sample.stop_reason)
            assert "\n" not in found.text
            assert of.vocabulary.decode([symbol.id for symbol in found.written]) == found.text
            assert of.vocabulary.boundary not in [symbol.id for symbol in found.written]
            ended.add(found.stop_reason)
        assert "end" in ended
    finally:
        close(engine)


def test_bytes_come_with_their_character() -> None:
    of = Writer(small_model("añ日🙂b", kind="bytes", sharpness=1.0))
    engine = ModelEngine(of, rows=8)
    try:
        jobs = [
            job(of, "añ", 60, seed=seed, written_alternatives=0, stop=("b",) if seed % 2 else ()) for seed in range(16)
        ]
        for seed, found in enumerate(together(engine, jobs)):
            expected = "".join(charloom.generate(of, "añ", length=60, seed=seed, stop=jobs[seed].stop))
            assert found.text == expected
            ids = [symbol.id for symbol in found.written]
            assert of.vocabulary.decode(ids) == found.text
        parts = alone(engine, replace(jobs[0], seed=3))
        assert parts.stop_reason == "length"
    finally:
        close(engine)


@pytest.mark.parametrize("documents", ["none", "lines"])
def test_a_text_that_is_read_is_scored_as_surprisal_does(documents: str) -> None:
    model = small_model(TEXT, documents=documents)  # type: ignore[arg-type]
    of = Writer(model)
    engine = ModelEngine(of, rows=8)
    try:
        expected = list(Surprises(model, TEXT, candidates=3))
        ids = np.concatenate(
            (
                [of.vocabulary.boundary],
                text_ids.encode(Text.of(TEXT), of.vocabulary, documents),
            )
        )
        found = alone(engine, Job(ids, 0, read_alternatives=3))
        assert (found.stop_reason, found.text, len(found.read)) == ("length", "", len(ids) - 1)
        for symbol, surprise in zip(found.read, expected, strict=True):
            assert symbol.log_probability == pytest.approx(-surprise.nats, abs=1e-4)
            assert [log for _, log in symbol.alternatives] == pytest.approx(
                np.log([share for _, share in surprise.top]), abs=1e-4
            )
    finally:
        close(engine)


@pytest.mark.parametrize("documents", ["none", "lines"])
def test_several_texts_of_a_job_are_read_as_if_each_were_alone(documents: str) -> None:
    of = Writer(small_model(TEXT, documents=documents, sharpness=1.5))  # type: ignore[arg-type]
    boundary, engine = of.vocabulary.boundary, ModelEngine(of, rows=8)
    texts = [of.prompts([text])[0] for text in ("the quick", "", "lazy dog; aaab", "")]
    settings = SamplingConfig(repetition_penalty=1.8)
    try:
        jobs = [Job(np.concatenate(texts[: last + 1]), 30, settings, seed=last, read_alternatives=2) for last in (2, 3)]
        jobs += [Job(text, 0, read_alternatives=2) for text in texts]
        jobs += [Job(texts[last], 30, settings, seed=last) for last in (2, 3)]
        *chains, first, second, third, fourth, after_third, after_fourth = together(engine, jobs)
        for chain, reads, written in zip(
            chains, ((first, second, third), (first, second, third, fourth)), (after_third, after_fourth), strict=True
        ):
            assert (chain.text, chain.stop_reason) == (written.text, written.stop_reason)
            ends = [place for place, symbol in enumerate(chain.read) if symbol.id == boundary]
            parts = np.split(np.arange(len(chain.read)), ends)
            assert [[chain.read[place] for place in part if chain.read[place].id != boundary] for part in parts] == [
                list(read.read) for read in reads
            ]
            known = [not np.isnan(chain.read[place].log_probability) for place in ends]
            assert known == [documents == "lines"] * (len(reads) - 1)
    finally:
        close(engine)


def test_alternatives_are_in_order_and_hold_the_very_numbers_of_the_symbols(
    writer: Writer, engine: ModelEngine
) -> None:
    found = alone(
        engine,
        job(
            writer,
            TEXT,
            200,
            read_alternatives=writer.stepper.outputs,
            written_alternatives=5,
            sampling=SamplingConfig(greedy=True),
        ),
    )
    assert len(found.read) == len(TEXT)
    for symbol in found.read:
        assert dict(symbol.alternatives)[symbol.id] == symbol.log_probability
        assert list(symbol.alternatives) == sorted(symbol.alternatives, key=lambda each: (-each[1], each[0]))
        assert sum(np.exp(log) for _, log in symbol.alternatives) == pytest.approx(1)
    for symbol in found.written:  # the most probable one was taken: an evaluation compares the two numbers
        assert symbol.alternatives[0] == (symbol.id, symbol.log_probability)
        assert len(symbol.alternatives) == 5


def test_what_was_written_gets_the_log_probabilities_of_reading_it(writer: Writer, engine: ModelEngine) -> None:
    written = alone(engine, job(writer, "the ", 100, written_alternatives=3))
    read = alone(engine, job(writer, "the " + written.text, 0, read_alternatives=3))
    assert read.read[4:] == written.written


def test_a_full_queue_refuses_at_once_and_cancelling_makes_room(writer: Writer) -> None:
    engine = ModelEngine(writer, rows=2, queue=3)
    endless = job(writer, "fox", 10**9)

    async def work() -> None:
        streams = [engine.submit(endless) for _ in range(5)]
        began = time.monotonic()
        with pytest.raises(ServerBusy, match="wait"):
            engine.submit(endless)
        assert time.monotonic() - began < PATIENCE / 2
        while engine.running < 2:
            await asyncio.sleep(0.001)
        assert (engine.running, engine.waiting) == (2, 3)
        streams[4].cancel()  # in the queue
        assert engine.waiting == 2
        assert await outcome(streams[4]) == Outcome((), "", (), -1, None, 0)
        threading.Thread(target=streams[0].cancel).start()  # writing
        while engine.waiting > 1:
            await asyncio.sleep(0.001)
        for stream in streams:
            stream.cancel()
        while engine.running or engine.waiting:
            await asyncio.sleep(0.001)
        streams[1].cancel()  # again

    try:
        run(engine, work)
        assert len(alone(engine, job(writer, "fox", 10)).text) == 10
    finally:
        close(engine)


def test_a_text_is_cancelled_within_its_prompt(writer: Writer, engine: ModelEngine) -> None:
    async def work() -> None:
        stream = engine.submit(job(writer, TEXT * 20_000, 10))
        while not engine.running:
            await asyncio.sleep(0.001)
        stream.cancel()
        while engine.running:
            await asyncio.sleep(0.001)
        assert (await outcome(stream)).text == ""

    run(engine, work)


def test_only_the_text_that_is_not_finite_fails() -> None:
    of = Writer(small_model(TEXT, hidden_size=40))
    engine = ModelEngine(of, rows=8)
    jobs = [job(of, "the quick", 50, seed=seed, stop=("z",)) for seed in range(4)]
    try:
        expected = together(engine, jobs)
    finally:
        close(engine)
    of.stepper.gates[0].start[of.vocabulary.encode("z")[0]] = np.nan
    engine = ModelEngine(of, rows=8)

    async def work() -> list[object]:
        lazy = engine.submit(job(of, "laz", 50)), engine.submit(job(of, "laz", 0, read_alternatives=1))
        return await asyncio.gather(
            *[outcome(engine.submit(each)) for each in jobs], *map(outcome, lazy), return_exceptions=True
        )

    try:
        found = run(engine, work)
        assert [each._replace(pieces=0) for each in found[:4]] == [each._replace(pieces=0) for each in expected]  # type: ignore[index]
        assert isinstance(found[4], NotFiniteError)  # type: ignore[index]
        assert found[5].stop_reason == "length"  # type: ignore[index]
        assert engine.ready()
    finally:
        close(engine)


def test_a_model_that_is_not_finite_is_never_ready() -> None:
    of = Writer(small_model(TEXT))
    of.stepper.output[1][:] = np.nan
    engine = ModelEngine(of)
    try:
        with pytest.raises(NotFiniteError):
            alone(engine, job(of, "the", 5))
        assert not engine.ready()
    finally:
        close(engine)


def test_what_was_written_before_an_error_comes_first(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = ModelEngine(writer, rows=4)

    async def work() -> None:
        stream, text = engine.submit(job(writer, "fox", 10**9)), ""
        with pytest.raises(CharloomError, match="could not be continued: out of luck"):
            async for piece in stream:
                text += piece.text
                monkeypatch.setattr("charloom.server.batching.engine.Steps.step", _unlucky)
        assert text

    try:
        run(engine, work)
        monkeypatch.undo()
        assert len(alone(engine, job(writer, "fox", 10)).text) == 10
    finally:
        close(engine)


def _unlucky(*given: object) -> None:
    raise RuntimeError("out of luck")


def test_a_closing_engine_finishes_what_it_has_and_takes_nothing_more(writer: Writer) -> None:
    engine = ModelEngine(writer, rows=1)

    async def work() -> None:
        short = [asyncio.create_task(outcome(engine.submit(job(writer, "fox", 30, seed=seed)))) for seed in range(3)]
        await asyncio.sleep(0)
        closing = asyncio.create_task(engine.close(grace=PATIENCE))
        await asyncio.sleep(0)
        with pytest.raises(ServerClosed, match="shutting down"):
            engine.submit(job(writer))
        await closing
        assert [len((await each).text) for each in short] == [30] * 3

    run(engine, work)


def test_a_closing_engine_ends_what_takes_too_long(writer: Writer) -> None:
    engine = ModelEngine(writer, rows=1)

    async def work() -> None:
        tasks = [asyncio.create_task(outcome(engine.submit(job(writer, "fox", 10**9)))) for _ in range(2)]
        await asyncio.sleep(0.05)
        await engine.close(grace=0)
        for task in tasks:
            with pytest.raises(ServerClosed):
                await task
        assert not engine._thread.is_alive()

    run(engine, work)


@pytest.mark.skipif(not hasattr(time, "pthread_getcpuclockid"), reason="the system does not say what a thread used")
def test_an_idle_engine_uses_no_processor_time(writer: Writer, engine: ModelEngine) -> None:
    alone(engine, job(writer, "fox", 10))
    clock = time.pthread_getcpuclockid(engine._thread.ident)  # type: ignore[arg-type]
    before = time.clock_gettime(clock)
    time.sleep(0.3)
    assert time.clock_gettime(clock) - before < 0.03


def test_pieces_wait_for_a_slow_reader_as_one(writer: Writer, engine: ModelEngine) -> None:
    async def work() -> None:
        stream = engine.submit(job(writer, "fox", 300, written_alternatives=1))
        first = await anext(stream)
        while engine.running:
            await asyncio.sleep(0.001)
        second = await anext(stream)
        assert len(first.text) + len(second.text) == len(first.written) + len(second.written) == 300
        assert (second.stop_reason, second.draws) == ("length", 300)
        with pytest.raises(StopAsyncIteration):
            await anext(stream)

    run(engine, work)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> int:
    """Few characters at which a text rests."""
    monkeypatch.setattr(piece_streams, "MOST_HELD", 300)
    return 300


def test_a_text_that_nobody_reads_rests_and_disturbs_no_other(
    writer: Writer, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "_LOOK_AT_RESTING", 3600.0)  # only a reader makes it go on
    engine = ModelEngine(writer, rows=4)
    unread = [job(writer, "fox", 3 * held, seed=seed) for seed in (1, 2)]
    unread.append(job(writer, TEXT * 4, 0, read_alternatives=writer.stepper.outputs))
    other = job(writer, "dog", 4 * held, seed=3)

    async def work() -> None:
        streams = [engine.submit(each) for each in unread]
        another = await outcome(engine.submit(other))
        while engine.running > 3 or not all(stream._held >= held for stream in streams):
            await asyncio.sleep(0.001)
        assert all(stream._held < held + MOST_AT_A_TIME + writer.stepper.outputs for stream in streams)
        found = await asyncio.gather(*map(outcome, streams))
        for each, made in zip([*unread, other], [*found, another], strict=True):
            alone = await outcome(engine.submit(each))
            assert made._replace(pieces=0) == alone._replace(pieces=0)

    try:
        run(engine, work)
    finally:
        close(engine)


def test_a_text_that_nobody_reads_for_long_is_given_up(
    writer: Writer, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(piece_streams, "PATIENCE", 0.05)
    engine = ModelEngine(writer, rows=2)

    async def work() -> None:
        stream = engine.submit(job(writer, "fox", 10**9))
        while engine.running or engine.waiting:
            await asyncio.sleep(0.001)
        assert held <= len((await anext(stream)).text) < held + MOST_AT_A_TIME
        with pytest.raises(CharloomError, match="nobody has read it"):
            await anext(stream)

    try:
        run(engine, work)
    finally:
        close(engine)


def test_an_event_loop_that_is_gone_frees_its_rows(writer: Writer, engine: ModelEngine) -> None:
    async def work() -> None:
        engine.submit(job(writer, "fox", 10**9))

    run(engine, work)
    began = time.monotonic()
    while engine.running or engine.waiting:
        assert time.monotonic() - began < PATIENCE
        time.sleep(0.001)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"length": -1}, SettingsError, "length is -1"),
        ({"stop": ("",)}, SettingsError, "empty"),
        ({"seed": -1}, SettingsError, "seed is -1"),
        ({"draws": -1}, SettingsError, "draws is -1"),
        ({"read_alternatives": -2}, SettingsError, "read_alternatives is -2"),
        ({"ids": np.array([], np.int64)}, TextError, "boundary"),
        ({"ids": np.array([-1, 1])}, TextError, "id -1 stands"),
        ({"ids": np.array([1000])}, TextError, "id 1000 stands"),
    ],
)
def test_a_job_that_cannot_be_done_is_refused(
    writer: Writer, engine: ModelEngine, change: dict[str, object], error: type[CharloomError], words: str
) -> None:
    async def work() -> None:
        with pytest.raises(error, match=words):
            engine.submit(replace(job(writer), **change))  # type: ignore[arg-type]

    run(engine, work)
