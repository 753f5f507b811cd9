/** What a model makes of a text: its surprise at each character, and the activity of its hidden units. */

import { BackendError } from "../backend_error.js";
import { Characters } from "./expected.js";
import { logProbabilities } from "../sampling.js";

const MOST_UNITS = 64;

/**
 * The characters of a text with their surprise; yields a list after each symbol, which may be empty.
 * @param {import("./language_model.js").LanguageModel} model
 * @param {{text: string, top: number}} request
 */
export function* score(model, { text, top }) {
  const characters = new Characters(model, top);
  for (const { symbol, logs } of predicted(model, text)) yield characters.push(symbol, logs);
  yield characters.finish();
}

/**
 * The values of hidden units after each character of a text: those of an LSTM are tanh(c), of other cells h.
 * @param {import("./language_model.js").LanguageModel} model
 * @param {{text: string, layer: number, units: number[] | null}} request  layer: counted from 0; units: null for those
 *   that vary most
 * @returns {Generator<null, {units: number[], values: Float32Array[]}>}
 */
export function* activity(model, { text, layer, units }) {
  const { layers, hidden_size: size } = model.config.network;
  check(layer, 0, layers - 1, "layer");
  for (const unit of units ?? []) check(unit, 0, size - 1, "unit");
  const characters = new Characters(model, 0);
  const rows = [];
  for (const { symbol, logs, state } of predicted(model, text, { after: true })) {
    const [part, shape] = state.c ? [state.c, Math.tanh] : [state.h, (value) => value];
    const completed = characters.push(symbol, logs);
    for (let count = 0; count < completed.length; count += 1) rows.push(part[layer].map(shape));
    yield null;
  }
  const chosen = units ?? mostVaried(rows, size);
  return { units: chosen, values: chosen.map((unit) => Float32Array.from(rows, (row) => row[unit])) };
}

/** Each symbol of a text, log p of all symbols in its place, and the state before it, or after it. */
function* predicted(model, text, { after = false } = {}) {
  if (!text) throw new BackendError("There is no text; give at least one character.");
  const { network, vocabulary } = model;
  let state = network.begin();
  network.read(state, vocabulary.boundary);
  for (const symbol of model.encode(text)) {
    const logs = logProbabilities(network.logits(state));
    if (!after) yield { symbol, logs, state };
    if (symbol === vocabulary.boundary) state = network.begin();
    network.read(state, symbol);
    if (after) yield { symbol, logs, state };
  }
}

/** The units whose values vary most, the most varied first. */
function mostVaried(rows, size) {
  const sums = new Float64Array(size);
  const squares = new Float64Array(size);
  for (const row of rows) {
    for (let unit = 0; unit < size; unit += 1) {
      sums[unit] += row[unit];
      squares[unit] += row[unit] ** 2;
    }
  }
  const spread = squares.map((square, unit) => square / rows.length - (sums[unit] / rows.length) ** 2);
  const order = Array.from(spread.keys()).sort((first, second) => spread[second] - spread[first] || first - second);
  return order.slice(0, MOST_UNITS);
}

function check(value, least, most, name) {
  if (!Number.isInteger(value) || value < least || value > most) {
    throw new BackendError(`There is no ${name} ${value}; this model has those from ${least} to ${most}.`);
  }
}
