/** One text that is being written, with the settings of its own. */

import { Announcer } from "./announcer.js";
import { branchTree } from "./branch_tree.js";
import { element } from "./dom.js";
import { legend } from "./legend.js";
import { Pace } from "./pace.js";
import { modelChoice, SAMPLING, slider } from "./settings.js";
import { Story, drawsAfter, textOf } from "./story.js";
import { bitsPerCharacter } from "./surprise.js";
import { TextView } from "./text_view.js";

const ALTERNATIVES = 10;
const ENDS = { length: "", stop: " · a stop text came", end: " · the text has ended" };

export class Column {
  story = new Story();
  /** Whether something is being written, or shown. */
  running = false;
  #page;
  #controls = {};
  #controller = null;
  #begun = 0;
  #reason = "length";
  #pace = new Pace((characters) => this.#shown(characters));
  #status = element("p", { class: "status" });
  #announcer;
  #tree = element("section", { class: "branches", hidden: true });

  /**
   * @param {object} page  what columns share: backend, models, shared settings, and what to call
   * @param {{name: string, model: string, settings: object}} own
   */
  constructor(page, { name, model, settings }) {
    Object.assign(this, { name, model, settings: { ...settings } });
    this.#page = page;
    this.#announcer = new Announcer(`Column ${name}, in sentences`);
    const label = `Column ${name}, one character at a time`;
    const onCursor = (place) => page.onCursor(this, place);
    this.view = new TextView({ label, onCursor, onKey: (event) => page.onKey(this, event) });
    this.element = element("section", { class: "column card", "aria-label": `Column ${name}` });
    this.element.append(this.#settings(), this.view.element, this.#foot(), this.#tree, this.#announcer.element);
    this.refresh();
  }

  get branch() {
    return this.story.current;
  }

  /** A new text. */
  write(prompt) {
    this.story.begin(prompt);
    this.#portion();
  }

  /** Another portion of the same text. */
  more() {
    if (this.branch) this.#portion();
  }

  /** Put another character in a place, and go on from there; every place keeps its random number. */
  choose(place, text) {
    const before = this.branch.characters[place];
    const share = before.top.find(([each]) => each === text)?.[1] ?? 1;
    this.stop();
    this.story.fork(place, { ...before, text, used: this.#uses(text), nats: -Math.log(share), chosen: true });
    this.#portion();
  }

  /** Show another branch. */
  show(branch) {
    this.#turn(() => this.story.show(branch));
  }

  /** A text from elsewhere, as it is. */
  adopt(branch) {
    this.#turn(() => this.story.adopt(branch));
  }

  remove(branch) {
    this.#turn(() => this.story.remove(branch));
  }

  undo() {
    this.#turn(() => this.story.undo());
  }

  redo() {
    this.#turn(() => this.story.redo());
  }

  /** A setting has changed: what is not shown yet is written again with it. */
  changed() {
    if (!this.running) return;
    this.#run();
  }

  stop() {
    this.#controller?.abort();
    this.#pace.clear();
    this.running = false;
  }

  /** How fast it is shown, in characters a second. */
  pace(speed) {
    this.#pace.speed = speed;
  }

  pause() {
    this.#pace.pause();
  }

  resume() {
    this.#pace.resume();
  }

  /** One character more. */
  step() {
    this.#pace.pause();
    if (!this.running) this.#portion();
    this.#pace.step();
  }

  refresh() {
    const { characters = [] } = this.branch ?? {};
    const mean = bitsPerCharacter(characters);
    const end = this.running ? "" : ENDS[this.#reason];
    const count = `${characters.length.toLocaleString("en")} characters · ${mean?.toFixed(2)} bits per character${end}`;
    this.#status.textContent = mean === null ? "" : count;
    this.undoButton.disabled = !this.story.canUndo;
    this.redoButton.disabled = !this.story.canRedo;
    this.copyButton.disabled = !characters.length;
    this.element.classList.toggle("blank", !this.branch);
    this.#page.onState();
  }

  /** How many random numbers a character takes. */
  #uses(text) {
    const { vocabulary } = this.#page.models.find((model) => model.id === this.model);
    return vocabulary === "bytes" ? new TextEncoder().encode(text).length : 1;
  }

  #turn(act) {
    this.stop();
    act();
    this.#fresh();
  }

  #fresh() {
    this.#reason = "length";
    this.view.show(this.branch?.prompt ?? "", this.branch?.characters ?? []);
    this.#announcer.begin();
    this.#page.onBranch(this);
    this.#showTree();
    this.refresh();
  }

  #showTree() {
    branchTree(this.#tree, this, this.#page.compare);
  }

  #portion() {
    this.stop();
    this.#page.withdraw("error");
    this.#fresh();
    this.#begun = this.branch.characters.length;
    this.#run();
  }

  async #run() {
    this.stop();
    const { branch, model } = this;
    const controller = (this.#controller = new AbortController());
    const { shared, backend } = this.#page;
    const length = this.#begun + shared.length - branch.characters.length;
    if (length <= 0) return this.#done("length");
    this.running = true;
    this.refresh();
    const settings = { ...this.settings, greedy: this.settings.temperature === 0, seed: shared.seed };
    const prompt = branch.prompt + textOf(branch.characters);
    let number = drawsAfter(branch.characters);
    const written = (character) => {
      const used = this.#uses(character.text);
      number += used;
      return { ...character, model, settings, used, number: number - used };
    };
    const onPiece = ({ characters }) => this.#pace.push(characters.map(written));
    const request = { model, prompt, length, ...settings, stop: shared.stop };
    try {
      const options = { signal: controller.signal, onPiece };
      const reason = await backend.write({ ...request, draws: number, top: ALTERNATIVES }, options);
      this.#pace.whenEmpty(() => this.#done(reason));
    } catch (error) {
      if (error.name === "AbortError") return;
      this.#pace.whenEmpty(() => this.#done("length"));
      this.#page.onError(error);
    }
  }

  #shown(characters) {
    this.branch.characters.push(...characters);
    this.view.append(characters);
    this.#announcer.add(textOf(characters));
    this.refresh();
  }

  #done(reason) {
    this.running = false;
    this.#reason = reason;
    this.#announcer.finish();
    this.#showTree();
    this.refresh();
  }

  #settings() {
    const change = (name) => (value) => {
      this.settings[name] = value;
      this.changed();
      this.#page.onSettings();
    };
    for (const name of Object.keys(SAMPLING)) {
      this.#controls[name] = slider(SAMPLING[name], this.settings[name], change(name));
    }
    this.#controls.model = modelChoice(this.#page.models, this.model, (model) => {
      this.model = model;
      this.changed();
      this.#page.onSettings();
      this.#page.onModel();
    });
    const { temperature, model, ...others } = this.#controls;
    const more = element("details", { class: "more" }, element("summary", {}, "More ways to draw"));
    more.append(element("div", { class: "grid" }, ...Object.values(others).map((control) => control.element)));
    return element("header", {}, model.element, temperature.element, more);
  }

  #foot() {
    const button = (label, onclick) => element("button", { type: "button", class: "quiet", onclick }, label);
    this.undoButton = button("Undo", () => this.undo());
    this.redoButton = button("Redo", () => this.redo());
    this.copyButton = button("Copy text", () => this.#copy());
    const buttons = element("div", { class: "buttons" }, this.undoButton, this.redoButton, this.copyButton);
    return element("footer", {}, element("div", {}, legend(), this.#status), buttons);
  }

  #copy() {
    this.#page.copy(this.branch.prompt + textOf(this.branch.characters), "The text is copied.");
  }
}
