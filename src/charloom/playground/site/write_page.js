/** Writing: a beginning, one or two columns that continue it, the settings, and the branches. */

import { LONGEST, samplingFrom, settingsTo, sharedFrom } from "./address.js";
import { Column } from "./column.js";
import { element } from "./dom.js";
import { Inspector } from "./inspector.js";
import { defaults, numberField, SAMPLING, SHARED, slider, SPEED, SPEEDS, textField } from "./settings.js";
import { textOf } from "./story.js";

const HINT = "Point at a character, or move to one with the arrow keys: here you see what else the model had in mind.";
const ENGLISH = ["The old house ", "It was a dark and stormy night; ", "“My dear friend,” "];
const LARGEST_WHOLE = 600;

export class WritePage {
  columns = [];
  #context;
  #inspector = new Inspector(HINT);
  #active = null;
  #busy = false;
  #speed = 2;

  constructor(context, address) {
    this.#context = context;
    this.shared = { ...sharedFrom(address, defaults(SHARED)), stop: address.get("stop") ? [address.get("stop")] : [] };
    this.#build();
    const first = this.#known(address.get("model")) ?? context.models[0].id;
    this.#add({ name: "A", model: first, settings: samplingFrom(address, defaults(SAMPLING)) });
    if (address.has("compare")) {
      const second = this.#known(address.get("b.model")) ?? first;
      this.#add({ name: "B", model: second, settings: samplingFrom(address, defaults(SAMPLING), "b.") });
    }
    this.prompt.value = address.get("prompt") ?? "";
    this.#fit();
    this.#showExamples();
    if (address.has("prompt") && (address.get("mode") ?? "write") === "write") this.begin(this.prompt.value);
  }

  /** Write this text on. */
  begin(prompt) {
    this.prompt.value = prompt;
    this.#fit();
    this.#inspector.clear();
    for (const column of this.columns) column.write(prompt);
    this.#resume();
    this.#context.onChange();
  }

  close() {
    for (const column of this.columns) column.stop();
  }

  address() {
    const [first, second] = this.columns;
    const several = this.#context.models.length > 1;
    return {
      model: several ? first.model : null,
      prompt: this.prompt.value,
      ...settingsTo(first.settings, SAMPLING),
      seed: this.shared.seed,
      ...settingsTo(this.shared, SHARED),
      stop: this.shared.stop[0] ?? null,
      compare: second ? 1 : null,
      "b.model": second && several ? second.model : null,
      ...(second ? settingsTo(second.settings, SAMPLING, "b.") : {}),
    };
  }

  #known(name) {
    return this.#context.models.find((model) => model.id === name)?.id;
  }

  /** Beginnings that fit the model: what it writes by itself, where nothing is known about it. */
  async #examples() {
    const { model } = this.columns[0];
    if (model === "english") return ENGLISH;
    let text = "";
    const request = { ...defaults(SAMPLING), model, prompt: "", length: 40, greedy: false, stop: ["\n"], seed: 1, draws: 0, top: 1 };
    const onPiece = (piece) => (text += piece.text);
    await this.#context.backend.write({ ...request, temperature: 0.5 }, { onPiece }).catch(this.#context.onError);
    const begun = /^.{8,24}\s/.exec(text)?.[0] ?? text.slice(0, 8);
    return begun ? [begun] : [];
  }

  #build() {
    const button = (label, onclick, kind = "") => element("button", { type: "button", class: kind, onclick }, label);
    this.prompt = element("textarea", { id: "prompt", rows: 1, maxlength: 4000, spellcheck: "false" });
    this.prompt.addEventListener("input", () => this.#fit() || this.#context.onChange());
    this.prompt.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.begin(this.prompt.value);
    });
    this.examples = element("p", { class: "examples" });
    this.main = button("Write", () => this.begin(this.prompt.value), "primary");
    this.pauseButton = button("Pause", () => (this.paused ? this.#resume() : this.#pause()));
    this.stepButton = button("One character", () => this.#step());
    this.moreButton = button("Write on", () => this.#resume() || this.columns.forEach((column) => column.more()));
    this.seedButton = button("Another seed", () => this.#another());
    this.compareButton = button("Compare", () => this.#compare());
    const link = button("Copy link", () => this.#copyLink(), "quiet");
    const acts = [this.main, this.pauseButton, this.stepButton, this.moreButton, this.seedButton, this.compareButton, link];
    const label = element("label", { for: "prompt" }, "Begin with");
    const toolbar = element("div", { class: "toolbar", role: "group", "aria-label": "Writing" }, ...acts);
    const beginning = element("div", { class: "card beginning" }, label, this.prompt, this.examples, toolbar);
    this.stage = element("div", { class: "columns" });
    const left = element("div", { class: "left" }, beginning, this.stage, this.#settings());
    this.element = element("section", { class: "page" }, left, this.#inspector.element);
  }

  #copyLink() {
    const tooLong = this.prompt.value.length > LONGEST;
    const most = LONGEST.toLocaleString("en");
    if (tooLong) {
      this.#context.notice("error", `The link has everything but the text: more than ${most} characters do not fit.`, "write");
    } else this.#context.withdraw("error");
    this.#context.copy(location.href, tooLong ? "The link is copied without the text." : "The link is copied.");
  }

  #settings() {
    const seed = numberField(SHARED.seed, this.shared.seed, (value) => {
      this.shared.seed = value;
      this.#changed();
    });
    const length = numberField(SHARED.length, this.shared.length, (value) => {
      this.shared.length = value;
      this.#changed();
    });
    const note = "The text ends where this would come; \\n is a new line.";
    const shown = (this.shared.stop[0] ?? "").replaceAll("\n", "\\n");
    const stop = textField("Stop at", note, shown, (text) => {
      this.shared.stop = text ? [text.replaceAll("\\n", "\n")] : [];
      this.#changed();
    });
    const speed = slider(SPEED, this.#speed, (value) => {
      this.#speed = value;
      this.columns.forEach((column) => column.pace(this.speed));
    });
    this.seedControl = seed;
    const controls = [speed, seed, length, stop].map((control) => control.element);
    return element("section", { class: "card grid shared", "aria-label": "Settings of the text" }, ...controls);
  }

  get speed() {
    return SPEEDS[this.#speed];
  }

  #add(own) {
    const page = {
      ...this.#context,
      shared: this.shared,
      onCursor: (column, place) => this.#inspect(column, place),
      onKey: (column, event) => this.#key(column, event),
      onBranch: (column) => this.#branch(column),
      compare: (branch) => this.#compare(branch),
      onState: () => this.#state(),
      onSettings: () => this.#context.onChange(),
      onModel: () => this.#showExamples(),
    };
    const column = new Column(page, own);
    column.pace(this.speed);
    this.columns.push(column);
    this.#active ??= column;
    this.stage.append(column.element);
    this.stage.classList.toggle("two", this.columns.length > 1);
    this.#state();
    return column;
  }

  /** A second column with the same text so far and the same random numbers; or one column again. */
  #compare(branch = null) {
    const [first, second] = this.columns;
    if (second && !branch) {
      second.stop();
      second.element.remove();
      this.columns = [first];
      this.#active = first;
      this.stage.classList.remove("two");
    } else {
      const other = second ?? this.#add({ name: "B", model: first.model, settings: first.settings });
      const shown = branch ?? first.branch;
      if (shown) other.adopt(shown);
      other.element.scrollIntoView({ block: "nearest" });
    }
    this.#state();
    this.#context.onChange();
  }

  #another() {
    this.shared.seed = crypto.getRandomValues(new Uint32Array(1))[0];
    this.seedControl.set(this.shared.seed);
    this.begin(this.prompt.value);
  }

  #changed() {
    this.columns.forEach((column) => column.changed());
    this.#context.onChange();
  }

  #pause() {
    this.paused = true;
    this.columns.forEach((column) => column.pause());
    this.#state();
  }

  #resume() {
    this.paused = false;
    this.columns.forEach((column) => column.resume());
    this.#state();
  }

  #step() {
    if (!this.columns[0].branch) this.columns.forEach((column) => column.story.begin(this.prompt.value));
    this.paused = true;
    this.columns.forEach((column) => column.step());
    this.#state();
  }

  #state() {
    const running = this.columns.some((column) => column.running);
    const begun = this.columns.some((column) => column.branch);
    this.pauseButton.disabled = !running;
    this.pauseButton.textContent = running && this.paused ? "Resume" : "Pause";
    this.moreButton.disabled = running || !begun;
    this.compareButton.textContent = this.columns.length > 1 ? "One column" : "Compare";
    if (this.#busy && !running) this.#context.say("The text is written.");
    this.#busy = running;
  }

  #branch(column) {
    this.#active = column;
    if (column.branch) this.prompt.value = column.branch.prompt;
    this.#fit();
    this.#inspector.clear();
    this.#context.onChange();
  }

  #inspect(column, place) {
    this.#active = column;
    const { branch } = column;
    const character = branch.characters[place];
    const { symbols } = this.#context.models.find((model) => model.id === character.model);
    const before = branch.prompt + textOf(branch.characters.slice(0, place));
    const onChoose = (text) => this.#choose(column, place, text);
    const whole = symbols && symbols.length <= LARGEST_WHOLE && !character.chosen;
    const ask = (signal) => this.#whole(before, character, symbols.length, signal);
    this.#inspector.show({ character, before, symbols, onChoose, whole: whole ? ask : null });
  }

  /** Every character with its probability: the same character is written again, alone. */
  async #whole(prompt, { model, settings, number }, top, signal) {
    let all = null;
    const onPiece = ({ characters }) => (all ??= characters[0].top);
    const request = { model, prompt, length: 1, ...settings, stop: [], draws: number, top };
    await this.#context.backend.write(request, { signal, onPiece });
    return all;
  }

  #choose(column, place, text) {
    column.choose(place, text);
    this.#resume();
    column.view.focus();
    column.view.move(place);
    this.#context.say(`Going on with ${text}.`);
  }

  /** Keys in a text besides those that move its cursor: up and down go through the alternatives, Enter takes one. */
  #key(column, event) {
    const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (step) this.#context.say(this.#inspector.step(step));
    else if (event.key === "Enter") return this.#inspector.take();
    else if (event.key === "Escape") this.#inspector.clear();
    else if (event.key.toLowerCase() === "z" && event.ctrlKey) event.shiftKey ? column.redo() : column.undo();
    else return false;
    return true;
  }

  async #showExamples() {
    const examples = await this.#examples();
    if (!this.prompt.value && !this.columns[0].branch) this.prompt.value = examples[0] ?? "";
    this.#fit();
    this.#context.onChange();
    const link = (text) => {
      const onclick = () => this.begin(text);
      return element("button", { type: "button", class: "chip", onclick }, text.trim() || "Nothing: the model begins");
    };
    this.examples.replaceChildren("Try ", ...examples.map(link), link(""));
  }

  /** As high as its text. */
  #fit() {
    this.prompt.style.blockSize = "auto";
    this.prompt.style.blockSize = `${this.prompt.scrollHeight + 2}px`;
  }
}
