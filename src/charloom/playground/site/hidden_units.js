/** What hidden units do along a text: one of them colours it, all of them make a strip that moves with the cursor. */

import { element, newestOnly } from "./dom.js";
import { labelled } from "./settings.js";
import { glyph } from "./surprise.js";

const STEPS = 4;
const [CELL, ROW, TOP, SIDE] = [13, 5, 22, 48];
const PACE = 140;

export class HiddenUnits {
  #view;
  #characters;
  #request;
  #onError;
  #panel;
  #layer;
  #units = [];
  #values = [];
  #chosen = 0;
  #newest = newestOnly();
  #playing = 0;
  #canvas = element("canvas", { role: "img", onclick: (event) => this.#point(event) });
  #figure = element("p", { class: "status" });

  constructor(panel, view, characters, request, onError) {
    this.#panel = panel;
    this.#view = view;
    this.#characters = characters;
    this.#request = request;
    this.#onError = onError;
    this.#layer = request.model.layers - 1;
    request.signal.addEventListener("abort", () => clearInterval(this.#playing));
  }

  /** Ask for the units of a layer that vary most; `units`: for these instead. */
  async ask(units = null) {
    const { backend, model, text } = this.#request;
    const request = { model: model.id, text, layer: this.#layer, units };
    const answer = await backend.activity(request, { signal: AbortSignal.any([this.#newest(), this.#request.signal]) });
    this.#units = answer.units;
    this.#values = answer.values;
    this.#chosen = 0;
    this.#build();
    this.#choose(0);
  }

  /** The cursor is at this character now. */
  follow(place) {
    if (this.#values.length) this.#draw(place);
  }

  #build() {
    const option = (unit, place) => element("option", { value: place }, `Unit ${unit}`);
    const choose = { id: "unit", onchange: () => this.#choose(Number(this.select.value)) };
    this.select = element("select", choose, ...this.#units.map(option));
    const { model } = this.#request;
    const again = (units) => this.ask(units).catch(this.#onError);
    const layers = Array.from({ length: model.layers }, (_, layer) => element("option", { value: layer }, String(layer + 1)));
    const layer = element("select", { id: "layer" }, ...layers);
    layer.value = this.#layer;
    layer.addEventListener("change", () => again(null, (this.#layer = Number(layer.value))));
    const number = element("input", { id: "any-unit", type: "number", min: 0, max: model.hidden_size - 1, step: 1 });
    number.addEventListener("change", () => number.checkValidity() && number.value && again([Number(number.value)]));
    this.play = element("button", { type: "button", onclick: () => this.#toggle() }, "Play");
    const all = element("button", { type: "button", class: "quiet", onclick: () => again(null) }, "Those that vary most");
    const controls = element("div", { class: "grid" }, labelled("Unit, those that vary most first", this.select));
    if (model.layers > 1) controls.append(labelled("Layer", layer));
    controls.append(labelled(`Any other, 0 to ${model.hidden_size - 1}`, number), element("div", { class: "buttons" }, this.play, all));
    const scale = element("p", { class: "legend" }, "Activity: −1 ", ...shades().map((name) => element("span", { class: `character ${name}` }, "\u00a0")), " 1");
    const what = "Each row of the strip is a unit, each column a character; it moves with the cursor. Click a row to choose it.";
    this.#panel.replaceChildren(controls, scale, this.#figure, element("div", { class: "strip" }, this.#canvas), element("p", { class: "hint" }, what));
  }

  #choose(place) {
    this.#chosen = place;
    this.select.value = place;
    const values = this.#values[place];
    const names = shades();
    const most = values.reduce((high, value) => Math.max(high, Math.abs(value)), 1);
    this.#view.shade([...values].map((value) => names[Math.min(2 * STEPS, Math.floor(((value / most + 1) / 2) * (2 * STEPS + 1)))]));
    this.#draw(Math.max(0, this.#view.cursor));
  }

  #draw(cursor) {
    const rows = this.#values.length;
    const row = rows > 1 ? ROW : 4 * ROW;
    const width = this.#canvas.parentElement.clientWidth || 320;
    const height = TOP + rows * row + 2;
    const sharp = devicePixelRatio || 1;
    Object.assign(this.#canvas, { width: width * sharp, height: height * sharp });
    Object.assign(this.#canvas.style, { inlineSize: `${width}px`, blockSize: `${height}px` });
    const pen = this.#canvas.getContext("2d");
    pen.scale(sharp, sharp);
    const style = getComputedStyle(this.#canvas);
    const colour = (name) => style.getPropertyValue(name).trim();
    const count = Math.floor((width - SIDE) / CELL);
    const first = Math.max(0, Math.min(cursor - Math.floor(count / 2), this.#characters.length - count));
    const shown = this.#characters.slice(first, first + count);
    pen.font = "13px ui-monospace, monospace";
    pen.textAlign = "center";
    pen.fillStyle = colour("--ink");
    shown.forEach(({ text }, column) => pen.fillText(glyph(text), SIDE + (column + 0.5) * CELL, 14));
    this.#values.forEach((values, line) => {
      shown.forEach((_, column) => {
        const value = values[first + column] ?? 0;
        pen.globalAlpha = Math.min(1, Math.abs(value));
        pen.fillStyle = colour(value < 0 ? "--negative" : "--positive");
        pen.fillRect(SIDE + column * CELL, TOP + line * row, CELL, row - 0.5);
      });
    });
    pen.globalAlpha = 1;
    pen.strokeStyle = pen.fillStyle = colour("--ink");
    pen.strokeRect(SIDE + (cursor - first) * CELL, TOP - 1, CELL, rows * row + 2);
    pen.strokeRect(SIDE - 1, TOP + this.#chosen * row - 1, count * CELL, row + 1);
    pen.textAlign = "right";
    pen.fillText(String(this.#units[this.#chosen]), SIDE - 8, TOP + this.#chosen * row + 9);
    this.#say(cursor);
  }

  #say(cursor) {
    const value = this.#values[this.#chosen][cursor] ?? 0;
    const sentence = `Unit ${this.#units[this.#chosen]} is at ${value.toFixed(2)} after character ${cursor + 1}.`;
    this.#figure.textContent = sentence;
    this.#canvas.setAttribute("aria-label", `The units along the text. ${sentence}`);
  }

  #point(event) {
    const line = Math.floor((event.offsetY - TOP) / (this.#values.length > 1 ? ROW : 4 * ROW));
    if (line >= 0 && line < this.#values.length) this.#choose(line);
  }

  /** Move the cursor along the text, a character at a time. */
  #toggle() {
    clearInterval(this.#playing);
    const starts = this.play.textContent === "Play";
    this.play.textContent = starts ? "Pause" : "Play";
    if (!starts) return;
    if (this.#view.cursor >= this.#view.length - 1) this.#view.move(0);
    this.#playing = setInterval(() => {
      this.#view.move(this.#view.cursor + 1);
      if (this.#view.cursor >= this.#view.length - 1) this.#toggle();
    }, PACE);
  }
}

/** The classes of activity, from −1 to 1. */
function shades() {
  return Array.from({ length: 2 * STEPS + 1 }, (_, place) => {
    const step = place - STEPS;
    return step < 0 ? `negative${-step}` : step > 0 ? `positive${step}` : "neutral";
  });
}
