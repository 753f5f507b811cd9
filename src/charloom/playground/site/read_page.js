/** Reading: a text that was pasted, seen through what the model makes of it. */

import { element, newestOnly, whenQuiet } from "./dom.js";
import { HiddenUnits } from "./hidden_units.js";
import { Inspector } from "./inspector.js";
import { legend } from "./legend.js";
import { lineChart } from "./line_chart.js";
import { modelChoice } from "./settings.js";
import { spelling } from "./spelling.js";
import { textOf } from "./story.js";
import { bits, bitsPerCharacter } from "./surprise.js";
import { TextView } from "./text_view.js";

const ALTERNATIVES = 10;
const HARDEST = 8;
const LONGEST = 10_000;
const EXAMPLE =
  "It was a bright cold morning, and the old gentleman walked slowly along the river. He had recieved a letter from " +
  "his daughter, who lived in Zanzibar, and he did not know what to beleive.\n\n“Well,” said he, “we shall see.”";
const HINT = "Point at a character, or move to one with the arrow keys: here you see what the model expected there.";
const LENSES = [
  { name: "surprise", label: "Surprise", needs: "score" },
  { name: "spelling", label: "Spelling", needs: "correct" },
  { name: "units", label: "Hidden units", needs: "activity" },
];

export class ReadPage {
  #context;
  #model;
  #lens = "surprise";
  #characters = [];
  #newest = newestOnly();
  #newestLens = newestOnly();
  #inspector = new Inspector(HINT);
  #summary = element("p", { class: "status", role: "status" });
  #panel = element("div", { class: "panel" });
  #view = new TextView({
    label: "The text that was read, one character at a time",
    onCursor: (place) => this.#inspect(place),
    onKey: (event) => this.#key(event),
  });

  constructor(context, address) {
    this.#context = context;
    this.#model = context.models.find((model) => model.id === address.get("model")) ?? context.models[0];
    const soon = whenQuiet(300, () => this.#read() || context.onChange());
    const about = { id: "pasted", rows: 4, maxlength: LONGEST, oninput: soon, spellcheck: "false" };
    this.input = element("textarea", { ...about, placeholder: "Anything in the language of the model" });
    const example = { type: "button", class: "chip", onclick: () => this.begin(EXAMPLE) };
    const model = modelChoice(context.models, this.#model.id, (name) => {
      this.#model = context.models.find((each) => each.id === name);
      this.#offer();
      this.#read();
    });
    const source = element("div", { class: "card beginning" }, model.element, element("label", { for: "pasted" }, "Paste a text"));
    source.append(this.input, element("p", { class: "examples" }, "Try ", element("button", example, "a short passage with two slips")));
    this.legend = legend();
    this.lenses = element("fieldset", { class: "lenses" });
    this.result = element("div", { class: "card column", hidden: true }, this.lenses, this.#view.element, this.legend, this.#summary, this.#panel);
    const left = element("div", { class: "left" }, source, this.result);
    this.element = element("section", { class: "page" }, left, this.#inspector.element);
    this.#offer();
    if (address.get("mode") === "read" && address.has("text")) this.begin(address.get("text"));
  }

  begin(text) {
    this.input.value = text;
    this.#read();
    this.#context.onChange();
  }

  address() {
    const several = this.#context.models.length > 1;
    return { model: several ? this.#model.id : null, text: this.input.value || null };
  }

  #offer() {
    const radio = ({ name, label }) => {
      const about = { type: "radio", name: "lens", value: name, checked: name === this.#lens };
      const input = element("input", { ...about, onchange: () => this.#look(name) });
      return element("label", {}, input, label);
    };
    const offered = LENSES.filter((lens) => this.#model.applications.includes(lens.needs));
    if (!offered.some((lens) => lens.name === this.#lens)) this.#lens = "surprise";
    this.lenses.replaceChildren(element("legend", {}, "Show"), ...offered.map(radio));
  }

  async #read() {
    const signal = this.#newest();
    this.#newestLens();
    const text = this.input.value;
    this.#inspector.clear();
    this.#characters = [];
    this.#view.show("", []);
    this.#panel.replaceChildren();
    this.#summary.textContent = "";
    this.result.hidden = !text;
    if (!text) return;
    const onPiece = (characters) => {
      this.#characters.push(...characters);
      this.#view.append(characters);
    };
    try {
      await this.#context.backend.score({ model: this.#model.id, text, top: ALTERNATIVES }, { signal, onPiece });
      this.#context.withdraw("error");
      await this.#look(this.#lens);
    } catch (error) {
      this.#context.onError(error);
    }
  }

  async #look(lens) {
    const signal = this.#newestLens();
    this.#lens = lens;
    this.#view.shade(null);
    this.#panel.replaceChildren();
    this.legend.hidden = lens !== "surprise";
    this.units = null;
    const mean = bitsPerCharacter(this.#characters);
    if (mean === null) return;
    const count = this.#characters.length.toLocaleString("en");
    this.#summary.textContent = `${count} characters · ${mean.toFixed(2)} bits per character`;
    const request = { model: this.#model, text: this.input.value, backend: this.#context.backend, signal };
    try {
      if (lens === "surprise") this.#panel.replaceChildren(lineChart(this.#characters), this.#hardest());
      if (lens === "spelling") await spelling(this.#panel, this.#view, request, (text) => this.begin(text));
      if (lens === "units") {
        this.units = new HiddenUnits(this.#panel, this.#view, this.#characters, request, this.#context.onError);
        await this.units.ask();
      }
    } catch (error) {
      this.#context.onError(error);
    }
  }

  #hardest() {
    const words = wordsOf(this.#characters).sort((first, second) => second.nats - first.nats).slice(0, HARDEST);
    const go = ({ start }) => () => {
      this.#view.focus();
      this.#view.move(start);
      this.#view.reveal();
    };
    const item = (word) => {
      const figure = element("span", { class: "figure" }, `${bits(word.nats).toFixed(0)} bits`);
      return element("li", {}, element("button", { type: "button", class: "chip", onclick: go(word) }, word.text, figure));
    };
    return element("div", {}, element("h2", {}, "The hardest words"), element("ol", { class: "chips" }, ...words.map(item)));
  }

  #inspect(place) {
    const character = this.#characters[place];
    const before = textOf(this.#characters.slice(0, place));
    const onChoose = (text) => this.#context.shared("write", before + text);
    this.#inspector.show({ character, before, onChoose });
    this.units?.follow(place);
  }

  #key(event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step) this.#context.say(this.#inspector.step(step));
    else if (event.key === "Enter") return this.#inspector.take();
    else return false;
    return true;
  }
}

/** The words of a text, each with its place and its surprise in nats. */
function wordsOf(characters) {
  const words = [];
  let word = null;
  characters.forEach(({ text, nats }, place) => {
    if (!/[\p{L}\p{N}_'’]/u.test(text)) {
      word = null;
      return;
    }
    if (!word) words.push((word = { text: "", nats: 0, start: place }));
    word.text += text;
    word.nats += nats;
  });
  return words;
}
