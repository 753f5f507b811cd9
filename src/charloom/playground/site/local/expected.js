/** What a model expected at each character: symbols in, characters with their surprise out. */

/** Puts the bytes of a character together; with a vocabulary of characters, each symbol is one. */
export class Characters {
  #model;
  #decoder;
  #top;
  #nats = 0;
  #expected = null;

  /**
   * @param {import("./language_model.js").LanguageModel} model
   * @param {number} top  how many of the most probable symbols to report
   */
  constructor(model, top) {
    this.#model = model;
    this.#decoder = model.vocabulary.decoder();
    this.#top = top;
  }

  /**
   * The characters that this symbol completes.
   * @param {number} symbol
   * @param {Float64Array} logs  log p of all symbols in its place
   * @returns {import("../backend.js").Character[]}
   */
  push(symbol, logs) {
    const boundary = symbol === this.#model.vocabulary.boundary;
    const text = boundary ? this.#decoder.finish() : this.#decoder.push(symbol);
    if (boundary) return [...this.#completed(text), this.#end(symbol, logs)];
    this.#expect(symbol, logs);
    return this.#completed(text);
  }

  /** What is left of an incomplete last character. */
  finish() {
    return this.#completed(this.#decoder.finish());
  }

  #end(symbol, logs) {
    this.#expect(symbol, logs);
    return this.#taken(this.#model.name(symbol));
  }

  #expect(symbol, logs) {
    this.#nats -= logs[symbol];
    this.#expected ??= this.#mostProbable(logs);
  }

  /** The characters of a text, of which there are several only after bytes that are not UTF-8. */
  #completed(text) {
    return Array.from(text, (character) => this.#taken(character));
  }

  #taken(text) {
    const taken = { text, nats: this.#nats, top: this.#expected ?? [] };
    this.#nats = 0;
    this.#expected = null;
    return taken;
  }

  /** The most probable symbols and their probabilities; of equal ones the smaller id first. */
  #mostProbable(logs) {
    const order = Array.from(logs.keys()).sort((first, second) => logs[second] - logs[first] || first - second);
    return order.slice(0, this.#top).map((id) => [this.#model.name(id), Math.exp(logs[id])]);
  }
}
