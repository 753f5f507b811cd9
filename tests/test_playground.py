"""The playground in a real browser: what a person sees and does there, against the same models in Python."""

import json
import math
import os
import re
import shutil
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

import charloom
from charloom.evaluation.surprisal import Surprises
from charloom.generation.writer import Writer
from charloom.models.language_model import LanguageModel
from charloom.playground import SITE
from models import small_model, write_folder
from playground_process import PlaygroundServer

playwright = pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright: the extra dev")
from playwright.sync_api import Browser, Locator, Page, expect  # noqa: E402

expect.set_options(timeout=20_000)

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if CHROMIUM is None and os.environ.get("CHARLOOM_TEST_BROWSER_REQUIRED") != "1":
    pytest.skip("the browser tests need chromium", allow_module_level=True)

PROMPT = "The old house "
MARKUP = "<u>HTML &lt;"
Open = Callable[..., Page]


def model_of_a_circle(text: str) -> LanguageModel:
    """A model that writes the characters of `text`, all different, again and again."""
    model = small_model(text, "rnn-relu", layers=1, hidden_size=len(text) + 1)
    ids, boundary = model.vocabulary.encode(text).tolist(), model.vocabulary.boundary
    codes = torch.tensor([[1.0 if symbol >> bit & 1 else -1.0 for bit in range(6)] for symbol in range(boundary + 1)])
    network: Any = model.network
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.embedding.weight += codes
        network.layers[0].weight_ih_l0 += codes  # a hidden unit for each symbol: 1 if it was read, otherwise 0
        network.layers[0].bias_ih_l0 -= 5
        for before, after in zip([boundary, *ids], [*ids, ids[0]], strict=True):
            network.output.weight[after, before] = 20.0
    return model


def model_of_bytes() -> LanguageModel:
    """A model that writes a, b and é, whose second byte follows its first one."""
    model = small_model("", "rnn-relu", kind="bytes", layers=1)
    network: Any = model.network
    first, second = "é".encode()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.embedding.weight[first, 0] = network.layers[0].weight_ih_l0[0, 0] = 1.0  # a unit for the first byte
        network.output.weight[second, 0] = 80.0
        network.output.bias[[*b"ab", first]] = 40.0
    return model


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PlaygroundServer]:
    folder = tmp_path_factory.mktemp("models")
    models = {"english": "english", "markup": write_folder(model_of_a_circle(MARKUP), folder / "markup")}
    models["bytes"] = write_folder(model_of_bytes(), folder / "bytes")
    served = PlaygroundServer(models, classifiers=("languages",))
    yield served
    served.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with playwright.sync_playwright() as started:
        launched = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def visit(browser: Browser, server: PlaygroundServer) -> Iterator[Open]:
    """Opens the page; at the end nothing was requested from elsewhere, and no script has failed."""
    wrong: list[str] = []
    contexts = []

    def opened(
        address: str = "", *, served: PlaygroundServer = server, width: int = 1280, ready: bool = True, **about: Any
    ) -> Page:
        context = browser.new_context(viewport={"width": width, "height": 800}, reduced_motion="reduce", **about)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("request", lambda request: request.url.startswith(served.address) or wrong.append(request.url))
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.goto(served.address + address)
        if ready:
            page.get_by_role("tab").first.wait_for()
        return page

    yield opened
    for context in contexts:
        context.close()
    assert wrong == []


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).first.click()


def write(page: Page, *, at_once: bool = True) -> None:
    if at_once:
        page.get_by_label("Speed").fill("4")
    press(page, "Write")
    finished(page)


def finished(page: Page) -> None:
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_disabled(timeout=20_000)
    expect(page.locator(".column footer .status").first).not_to_be_empty()


def characters(page: Page, column: int = 0) -> list[str]:
    shown = page.locator(".page:not([hidden]) .column").nth(column).locator(".prose .character")
    return [{"↵\n": "\n"}.get(text, text) for text in shown.all_text_contents()]


def text_of(page: Page, column: int = 0) -> str:
    return "".join(characters(page, column))


def move(page: Page, place: int) -> Locator:
    """Put the cursor on a character with the keyboard."""
    page.locator(".text:visible").first.focus()
    page.keyboard.press("Home")
    for _ in range(place):
        page.keyboard.press("ArrowRight")
    return page.locator(".character.current:visible")


def aim(page: Page, taken: str) -> str:
    """Go down to the first alternative that is a letter and not the character in the text."""
    while True:
        page.keyboard.press("ArrowDown")
        aimed = page.locator(".alternatives .aimed .glyph").locator("visible=true").text_content() or ""
        if aimed.isalpha() and aimed != taken:
            return aimed


def python(prompt: str, **settings: Any) -> str:
    return "".join(charloom.generate("english", prompt, **{"length": 300, "temperature": 0.7, "seed": 4, **settings}))


def test_it_writes_what_python_writes_and_shades_each_character_by_its_surprise(visit: Open) -> None:
    page = visit()
    write(page)
    assert text_of(page) == python(PROMPT)
    told = list(Surprises("english", PROMPT + text_of(page)))[len(PROMPT) :]
    shown = page.locator(".prose .character").evaluate_all(
        "all => all.map(each => [each.dataset.bits, each.className])"
    )
    for one, (label, shade) in zip(told, shown, strict=True):
        bits = one.nats / math.log(2)
        assert float(label.split()[0]) == pytest.approx(bits, abs=0.0501)
        if abs(bits - round(bits)) > 1e-4:
            assert shade == f"character s{min(7, int(bits))}"
    mean = sum(one.nats for one in told) / math.log(2) / len(told)
    expect(page.locator(".column footer .status")).to_have_text(f"300 characters · {mean:.2f} bits per character")
    assert page.get_by_role("log").text_content() == text_of(page)


def test_another_character_makes_a_branch_and_both_texts_stay(visit: Open) -> None:
    page = visit()
    write(page)
    first = text_of(page)
    move(page, 20)
    chosen = aim(page, first[20])
    page.keyboard.press("Enter")
    finished(page)
    second = text_of(page)
    assert second[:20] == first[:20] and second[20] == chosen and second[21:] != first[21:]
    assert second[21:] == continued(PROMPT + second[:21], draws=21)
    expect(page.locator(".branches li")).to_have_count(2)
    for keys, text in (("Control+z", first), ("Control+Shift+z", second)):
        page.locator(".text:visible").focus()
        page.keyboard.press(keys)
        assert text_of(page) == text
    press(page, "Undo")
    assert text_of(page) == first
    page.get_by_role("button", name="Compare Branch 2 side by side").click()
    assert (text_of(page, 0), text_of(page, 1)) == (first, second)
    page.get_by_role("button", name=re.compile("^Branch 1")).first.click()
    assert (text_of(page, 0), text_of(page, 1)) == (first, second)
    page.get_by_role("button", name="Remove Branch 2").first.click()
    expect(page.locator(".branches:visible")).to_have_count(0)
    assert text_of(page) == first


def test_a_character_of_two_bytes_takes_two_random_numbers_and_one_in_its_place_as_many_as_it_has(visit: Open) -> None:
    page = visit("#model=bytes&prompt=b&length=30")
    page.get_by_label("Speed").fill("4")
    finished(page)
    first = text_of(page)
    assert first[:25] == continued("b", draws=0, run=model_of_bytes())[:25] and {*first} == {*"abé"}
    place = first.index("é", 2)
    move(page, place)
    chosen = aim(page, "é")
    page.keyboard.press("Enter")
    finished(page)
    begun = first[:place] + chosen
    following = continued("b" + begun, draws=len(begun.encode()), run=model_of_bytes())
    assert text_of(page) == begun + following[:30]
    press(page, "Undo")
    press(page, "Write on")
    finished(page)
    assert text_of(page) == first + continued("b" + first, draws=len(first.encode()), run=model_of_bytes())[:30]


def continued(text: str, *, draws: int, length: int = 300, run: Any = "english", **sampling: Any) -> str:
    """What is written after a text with the random numbers of seed 4 that follow the first `draws`."""
    writer = Writer.load(run) if run == "english" else Writer.of(run)
    (ids,) = writer.prompts([text])
    uniform = np.random.Generator(np.random.PCG64(4).advance(draws))
    config = charloom.SamplingConfig(**{"temperature": 0.7, **sampling})
    symbols = writer.symbols(ids, None, config, uniform)
    return writer.vocabulary.decode([next(symbols) for _ in range(length)])


def test_the_number_drawn_falls_on_the_share_of_its_character(visit: Open) -> None:
    page = visit("#temperature=1.1&top_p=0.9&repetition_penalty=1.2")
    write(page)
    numbers = np.random.Generator(np.random.PCG64(4)).random(20)
    for place in (0, 7, 19):
        move(page, place)
        label = page.locator(".draw svg").get_attribute("aria-label")
        drawn, low, high = map(float, re.findall(r"\d\.\d+", label or ""))
        assert drawn == pytest.approx(numbers[place], abs=6e-5)
        assert low - 1e-4 <= drawn <= high + 1e-4


def test_the_mouse_points_at_a_character_and_takes_another(visit: Open) -> None:
    page = visit()
    write(page)
    first = text_of(page)
    page.locator(".prose .character").nth(30).hover()
    expect(page.locator(".found .glyph").first).to_have_text(first[30].replace(" ", "␣"))
    expect(page.locator(".alternatives").first.locator("li")).to_have_count(10)
    other = page.locator(".alternatives button:not(.taken)").first
    chosen = (other.locator(".glyph").text_content() or "").replace("␣", " ")
    other.click()
    finished(page)
    assert text_of(page)[:31] == first[:30] + chosen and text_of(page)[31:] != first[31:]


def test_an_example_fits_its_model(visit: Open) -> None:
    expect(visit().get_by_label("Begin with")).to_have_value(PROMPT)
    page = visit("#model=markup")
    expect(page.get_by_label("Begin with")).to_have_value(f"{MARKUP}<u>HTML ")
    write(page)


def test_two_columns_use_the_same_random_numbers(visit: Open) -> None:
    page = visit()
    press(page, "Compare")
    write(page)
    assert text_of(page, 0) == text_of(page, 1) == python(PROMPT)
    page.get_by_label("Temperature").nth(1).fill("1.2")
    press(page, "Write")
    finished(page)
    assert (text_of(page, 0), text_of(page, 1)) == (python(PROMPT), python(PROMPT, temperature=1.2))
    press(page, "One column")
    expect(page.locator(".columns .column")).to_have_count(1)


def test_a_setting_that_changes_while_it_writes_acts_on_what_is_not_shown_yet(visit: Open) -> None:
    page = visit()
    page.get_by_label("Speed").fill("1")
    press(page, "Write")
    expect(page.locator(".prose .character").nth(3)).to_be_visible()
    press(page, "Pause")
    before = text_of(page)
    press(page, "One character")
    assert text_of(page) == python(PROMPT)[: len(before) + 1]
    page.get_by_label("Temperature").fill("1.3")
    before = text_of(page)
    page.get_by_label("Speed").fill("4")
    press(page, "Resume")
    finished(page)
    rest = continued(PROMPT + before, draws=len(before), length=300 - len(before), temperature=1.3)
    assert text_of(page) == before + rest
    press(page, "Write on")
    finished(page)
    assert len(text_of(page)) == 600 and text_of(page).startswith(before + rest)


def test_stop_length_and_seed(visit: Open) -> None:
    page = visit()
    page.get_by_label("Stop at").fill(" the")
    page.get_by_label("Length").fill("120")
    page.get_by_label("Seed", exact=True).fill("12")
    page.get_by_label("Speed").fill("4")
    press(page, "Write")
    finished(page)
    assert text_of(page) == python(PROMPT, stop=[" the"], length=120, seed=12)
    expect(page.locator(".column footer .status")).to_contain_text("a stop text came")


def test_an_address_restores_everything(visit: Open) -> None:
    page = visit("#model=markup")
    page.get_by_label("Model", exact=True).first.select_option("english")
    page.get_by_label("Begin with").fill("She & “he” #1=")
    page.get_by_label("Temperature").fill("0.5")
    page.get_by_text("More ways to draw").click()
    page.get_by_label("Top-k").fill("5")
    page.get_by_label("Seed", exact=True).fill("77")
    page.get_by_label("Stop at").fill("zz")
    page.get_by_label("Length").fill("60")
    press(page, "Compare")
    page.get_by_label("Temperature").nth(1).fill("0.9")
    write(page)
    expect(page).to_have_url(re.compile("b.temperature=0.9"))
    address = page.evaluate("location.hash")
    other = visit(address)
    finished(other)
    assert [text_of(other, 0), text_of(other, 1)] == [text_of(page, 0), text_of(page, 1)]
    assert text_of(page) == python("She & “he” #1=", temperature=0.5, top_k=5, seed=77, stop=["zz"], length=60)
    expect(other.get_by_label("Stop at")).to_have_value("zz")
    other.wait_for_timeout(300)
    assert other.evaluate("location.hash") == address


def test_hostile_addresses_change_nothing(visit: Open) -> None:
    page = visit("#temperature=hot&seed=-5&length=1e99&top_k=<b>&model=nobody&mode=none&b.model=x")
    expect(page.get_by_label("Temperature")).to_have_value("0.7")
    expect(page.get_by_label("Seed", exact=True)).to_have_value("0")
    expect(page.get_by_label("Length")).to_have_value("5000")


def test_a_model_that_writes_markup_writes_text(visit: Open) -> None:
    page = visit("#model=markup")
    page.get_by_label("Begin with").fill(MARKUP)
    write(page)
    assert text_of(page) == (MARKUP * 30)[:300]
    page.get_by_role("tab", name="Read").click()
    page.get_by_label("Model", exact=True).locator("visible=true").select_option("english")
    image = '<img src="x" onerror="document.title=1"><script>document.title=2</script>'
    page.get_by_label("Paste a text").fill(image)
    expect(page.locator(".chart svg")).to_be_visible()
    assert text_of(page) == image
    assert page.locator("main u, main img, main script").count() == 0
    assert page.title() == "charloom playground"


def test_a_pasted_text_is_measured_corrected_and_seen_through_hidden_units(
    visit: Open, server: PlaygroundServer
) -> None:
    page = visit("#mode=read")
    text = "He had recieved a letter from Zanzibar, and he did not know what to beleive.\nIt was late."
    page.get_by_label("Paste a text").fill(text)
    expect(page.locator(".chart svg")).to_be_visible()
    score = charloom.evaluate("english", text)
    expect(page.locator(".page:not([hidden]) .column > .status")).to_contain_text(
        f"{score.bits_per_character:.2f} bits per character"
    )
    expect(page.locator(".chips button").locator("visible=true").first).to_contain_text("Zanzibar")
    page.get_by_label("Spelling").check()
    expect(page.locator(".corrections li")).to_have_count(2)
    expect(page.locator(".corrections li").first).to_contain_text("two letters exchanged")
    press(page, "Correct all")
    expect(page.get_by_label("Paste a text")).to_have_value(
        text.replace("recieved", "received").replace("beleive", "believe")
    )
    page.get_by_label("Hidden units").check()
    expect(page.locator("canvas")).to_be_visible()
    unit = int(page.locator("#unit option").nth(3).text_content().split()[1])  # type: ignore[union-attr]
    page.get_by_label("Unit, those that vary most first").select_option("3")
    move(page, 10)
    (values,) = ask(server, "activity", text=page.locator("#pasted").input_value(), layer=0, units=[unit])["values"]
    expect(page.locator(".panel .status")).to_have_text(f"Unit {unit} is at {values[10]:.2f} after character 11.")
    shaded = (
        page.locator(".prose .character").locator("visible=true").evaluate_all("all => all.map(each => each.className)")
    )
    assert len({name.split()[1] for name in shaded}) >= 3


def ask(server: PlaygroundServer, route: str, **request: Any) -> Any:
    body, headers = json.dumps({"model": "english", **request}).encode(), {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"{server.address}v1/{route}", body, headers)) as answer:
        return json.load(answer)


def test_an_alternative_in_a_text_that_was_read_goes_on_from_there(visit: Open) -> None:
    page = visit("#mode=read&text=It+was+a+bright")
    expect(page.locator(".chart svg")).to_be_visible()
    move(page, 9)
    page.locator(".alternatives button:not(.taken)").locator("visible=true").first.click()
    page.get_by_label("Speed").fill("4")
    expect(page.get_by_role("tab", name="Write")).to_have_attribute("aria-selected", "true")
    finished(page)
    expect(page.get_by_label("Begin with")).to_have_value(re.compile("^It was a .$"))


def test_typing_is_completed_with_the_keyboard_alone(visit: Open) -> None:
    page = visit("#mode=type")
    field = page.get_by_role("textbox", name="Type")
    field.fill("")
    field.press_sequentially("It was a dark and st")
    expect(page.locator(".suggestions button").first).to_contain_text("st")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    word = page.evaluate("document.activeElement.firstChild.nextSibling.textContent")
    page.keyboard.press("Enter")
    expect(field).to_have_value(f"It was a dark and st{word}")
    expect(field).to_be_focused()


def test_a_classifier_tells_texts_apart(visit: Open) -> None:
    page = visit("#mode=classify")
    page.get_by_role("textbox", name="A text").fill("Der Zug kommt heute wieder zu spät.")
    expect(page.locator(".classes .label").first).to_have_text("de")


def test_the_keyboard_is_enough(visit: Open) -> None:
    page = visit("#mode=write")
    page.get_by_role("tab", name="Write").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tab", name="Read")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    reach(page, "textarea")
    page.keyboard.press("Control+a")
    page.keyboard.type("Once upon a time")
    page.keyboard.press("Control+Enter")
    expect(page.locator(".prose .character").nth(5)).to_be_visible()
    reach(page, "button", "Pause")
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Resume")).to_be_visible()
    reach(page, "input")
    reach(page, "span")
    outline = page.locator(".prose").locator("visible=true").evaluate("each => getComputedStyle(each).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("End")
    place = len(text_of(page)) - 1
    chosen = aim(page, text_of(page)[place])
    page.keyboard.press("Enter")
    assert characters(page)[place] == chosen
    page.keyboard.press("Escape")
    expect(page.locator(".inspector").first).to_have_class(re.compile("empty"))


def reach(page: Page, tag: str, name: str | None = None) -> None:
    """Press Tab until such an element has the focus."""
    for _ in range(30):
        page.keyboard.press("Tab")
        found, text = page.evaluate("[document.activeElement.localName, document.activeElement.textContent]")
        if found == tag and name in (None, text):
            return
    raise AssertionError(f"{tag} {name or ''} cannot be reached with Tab")


def test_on_a_phone_nothing_is_wider_than_the_screen(visit: Open) -> None:
    page = visit(width=360, has_touch=True, is_mobile=True)
    press(page, "Compare")
    write(page)
    page.locator(".prose .character").nth(12).tap()
    expect(page.locator(".draw svg").first).to_be_visible()
    page.get_by_text("More ways to draw").first.click()
    for tab in ("Write", "Read", "Type", "Tell apart"):
        page.get_by_role("tab", name=tab).click()
        if tab == "Read":
            page.get_by_label("Paste a text").fill("a" * 300 + " The old house")
            page.get_by_label("Hidden units").check()
            expect(page.locator("canvas")).to_be_visible()
        width, screen = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert width <= screen == 360, tab


def test_a_server_that_is_gone_is_noticed_and_found_again(visit: Open) -> None:
    other = PlaygroundServer({"english": "english"})
    try:
        page = visit(served=other)
        write(page)
        before = text_of(page)
        other.stop()
        expect(page.locator(".notice.lost")).to_contain_text("does not answer", timeout=15_000)
        assert text_of(page) == before
        press(page, "Write on")
        expect(page.locator(".notice.lost")).to_be_visible()
        assert text_of(page) == before
        other.start()
        expect(page.locator(".notice")).to_have_count(0, timeout=15_000)
        press(page, "Write on")
        finished(page)
        assert text_of(page).startswith(before) and len(text_of(page)) == 600
    finally:
        other.stop()


def test_a_mistake_is_a_sentence_and_loses_nothing(visit: Open) -> None:
    page = visit("#mode=write")
    page.get_by_label("Begin with").fill("снег")
    write_refused = page.locator(".notice.error")
    press(page, "Write")
    expect(write_refused).to_contain_text("is not among the")
    expect(page.get_by_label("Begin with")).to_have_value("снег")
    write_refused.get_by_role("button").click()
    expect(write_refused).to_have_count(0)
    page.get_by_label("Begin with").fill("Snow")
    write(page)


def test_a_mistake_stays_until_its_own_tab_goes_on(visit: Open) -> None:
    page = visit("#model=english&prompt=It+was&length=5&compare=1&b.model=markup")
    finished(page)
    refused = page.locator(".notice.error")
    expect(refused).to_contain_text("is not among the")
    page.get_by_role("tab", name="Type").click()
    page.get_by_role("textbox", name="Type", exact=True).fill("The old ho")
    expect(page.locator(".chip:visible").first).to_contain_text("ho")
    expect(refused).to_have_count(1)
    page.get_by_role("tab", name="Write").click()
    page.get_by_label("Begin with").fill("H")
    write(page)
    expect(refused).to_have_count(0)


def test_a_page_for_a_model_of_few_characters_opens_without_a_mistake(visit: Open) -> None:
    page = visit("#model=markup&prompt=H&length=5&stop=")
    finished(page)
    assert text_of(page) == "TML &"
    page.get_by_role("tab", name="Type").click()
    typed = page.get_by_role("textbox", name="Type", exact=True)
    expect(typed).to_have_value("")
    page.wait_for_timeout(500)
    expect(page.locator(".notice")).to_have_count(0)


def test_each_press_shows_one_character_the_first_one_too(visit: Open) -> None:
    page = visit()
    for count in (1, 2, 3):
        press(page, "One character")
        expect(page.locator(".prose .character:visible")).to_have_count(count)
    assert text_of(page) == python(PROMPT, length=3)


def test_what_wrote_a_character_explains_it_and_undo_changes_the_address(visit: Open) -> None:
    page = visit("#model=english&prompt=H&length=20")
    finished(page)
    page.get_by_label("Begin with").fill("M")
    page.get_by_label("Model", exact=True).first.select_option("markup")
    write(page)
    expect(page).to_have_url(re.compile("prompt=M&"))
    press(page, "Undo")
    expect(page).to_have_url(re.compile("prompt=H&"))
    move(page, 3)
    expect(page.locator(".draw .share.mine")).to_have_count(1)
    numbers = re.findall(r"[01]\.\d{4}", page.locator(".draw p").text_content() or "")
    drawn, lowest, highest = map(float, numbers)
    assert lowest <= drawn <= highest
    assert page.locator(".draw .share").count() > len(set(MARKUP))


def test_a_paste_that_does_not_fit_is_said(visit: Open) -> None:
    page = visit("#mode=read")
    paste = """(text) => {
      const clipboardData = new DataTransfer();
      clipboardData.setData("text", text);
      const event = new ClipboardEvent("paste", { clipboardData, bubbles: true });
      document.querySelector("#pasted").dispatchEvent(event);
    }"""
    page.evaluate(paste, "x" * 10_001)
    expect(page.locator(".notice.error")).to_contain_text("At most 10,000 characters fit here")
    page.evaluate(paste, "x\r\n" * 5_000)
    expect(page.locator(".notice")).to_have_count(0)


def test_a_text_that_is_too_long_for_an_address_is_said(visit: Open) -> None:
    page = visit(f"#seed=7&prompt={'x' * 4_001}")
    expect(page.locator(".notice.error")).to_contain_text("more than 4,000 characters, so it was left out")
    expect(page.get_by_label("Seed", exact=True)).to_have_value("7")
    page = visit(f"#prompt={'x' * 4_000}&length=1")
    finished(page)
    expect(page.locator(".notice")).to_have_count(0)
    page.evaluate("document.querySelector('#prompt').value += 'x'")
    press(page, "Copy link")
    expect(page.locator(".notice.error").first).to_contain_text("more than 4,000 characters do not fit")


def test_a_server_that_returns_with_other_models_says_so(visit: Open) -> None:
    other = PlaygroundServer({"english": "english"})
    try:
        page = visit(served=other)
        write(page)
        before = text_of(page)
        other.stop()
        expect(page.locator(".notice.lost")).to_be_visible(timeout=15_000)
        other.runs = ["languages"]
        other.start()
        expect(page.locator(".notice.other")).to_contain_text("load the page again", timeout=15_000)
        assert text_of(page) == before
        page.reload()
        expect(page.get_by_role("tab")).to_have_text(["Tell apart"])
    finally:
        other.stop()


def test_a_server_with_a_key_asks_for_it_once(visit: Open) -> None:
    guarded = PlaygroundServer({"english": "english"}, key="open-sesame")
    try:
        page = visit(served=guarded, ready=False)
        for key in ("a guess", guarded.key):
            page.get_by_label("API key").fill(str(key))
            press(page, "Use it")
        write(page)
        page.reload()
        write(page)
        assert text_of(page)
    finally:
        guarded.stop()


WCAG = {
    "runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
    "resultTypes": ["violations"],
}


@pytest.mark.parametrize("look", ["light", "dark", "phone"])
def test_axe_finds_nothing(visit: Open, look: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = visit(width=360 if look == "phone" else 1280, color_scheme="dark" if look == "dark" else "light")
    page.get_by_label("Length").fill("30")
    press(page, "Compare")
    write(page)
    move(page, 20)
    aim(page, text_of(page)[20])
    page.keyboard.press("Enter")
    finished(page)
    move(page, 12)
    expect(page.locator(".draw svg").first).to_be_visible()
    for details in page.locator("summary").all():
        details.click()
    found = {"write": axe.run(page, options=WCAG)}
    page.get_by_role("tab", name="Read").click()
    page.get_by_label("Paste a text").fill("He had recieved a letter from Zanzibar.")
    for lens, sign in (("Surprise", ".chart svg"), ("Spelling", ".corrections li"), ("Hidden units", "canvas")):
        page.get_by_label(lens).check()
        expect(page.locator(sign).first).to_be_visible()
        move(page, 9)
        found[lens] = axe.run(page, options=WCAG)
    page.get_by_role("tab", name="Type").click()
    expect(page.locator(".suggestions button").first).to_be_visible()
    found["type"] = axe.run(page, options=WCAG)
    violations = [
        f"{name}: {one['id']}: {one['nodes'][0]['html'][:200]}"
        for name, result in found.items()
        for one in result.response["violations"]
    ]
    assert violations == []


def test_the_site_loads_nothing_from_elsewhere_and_sets_no_markup() -> None:
    for path in (path for path in SITE.rglob("*") if path.is_file()):
        text = path.read_text("utf-8").replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b", text), (
            path.name
        )
