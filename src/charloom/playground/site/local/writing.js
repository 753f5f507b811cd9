/** Writing a text: predict, draw a symbol, read it, repeat; as `charloom.generate` does. */

import { Characters } from "./expected.js";
import { Pcg64 } from "../random.js";
import { REPETITION_WINDOW, distribution, draw, logProbabilities } from "../sampling.js";
import { Outlet } from "./stopping.js";

/**
 * A text that continues a prompt. It yields after each symbol that it reads or writes, so that other work can come
 * between, and returns why the text ends.
 * @param {import("./language_model.js").LanguageModel} model
 * @param {{prompt: string, length: number | null, stop: string[], seed: number | bigint, draws: number, top: number}
 *   & import("../sampling.js").Settings} request
 * @param {import("./lately.js").Lately} lately
 * @returns {Generator<{text: string, characters: import("../backend.js").Character[], draws: number} | null,
 *   "length" | "stop" | "end">}
 */
export function* write(model, request, lately) {
  const { network, vocabulary } = model;
  const ids = model.prompt(request.prompt);
  if (request.length === 0) return "length";
  const outlet = new Outlet(vocabulary, request.length, request.stop);
  const uniform = new Pcg64(request.seed).advance(request.draws);
  const recent = ids.slice(1).slice(-REPETITION_WINDOW);
  const shown = new Shown(model, request.top);
  const record = lately.begin(ids);
  let state = yield* read(network, ids, record);
  for (let draws = request.draws + 1; ; draws += 1) {
    const logits = network.logits(state);
    const logs = logProbabilities(logits);
    model.exclude(logits);
    const symbol = draw(distribution(logits, request, recent), uniform.random());
    const { text, reason } = outlet.push(symbol);
    yield { text, characters: shown.push(symbol, logs, text), draws };
    if (reason) return reason;
    if (symbol === vocabulary.boundary) {
      state = network.begin();
    } else {
      recent.push(symbol);
      if (recent.length > REPETITION_WINDOW) recent.shift();
    }
    network.read(state, symbol);
    record.read(symbol, state);
  }
}

/** The state after some symbols, of which those that are known need not be read again. */
export function* read(network, symbols, record) {
  const state = record.state ?? network.begin();
  for (const symbol of symbols.slice(record.count)) {
    network.read(state, symbol);
    record.read(symbol, state);
    yield null;
  }
  return state;
}

/** The characters of the text that is certain: those of a possible stop string wait. */
class Shown {
  #characters;
  #waiting = [];

  constructor(model, top) {
    this.#characters = new Characters(model, top);
  }

  push(symbol, logs, text) {
    this.#waiting.push(...this.#characters.push(symbol, logs));
    return Array.from(text, (character) => {
      const next = this.#waiting.shift();
      return { ...next, text: character };
    });
  }
}
