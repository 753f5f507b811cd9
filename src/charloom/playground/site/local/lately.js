/** States of texts that were read lately: a text that goes on from one of them is not read from its beginning. */

const EVERY = 16;
const TEXTS = 8;
const MOST_BYTES = 8 << 20;

export class Lately {
  #texts = [];

  /**
   * A record of a text that is going to be read, with what is known of its beginning.
   * @param {number[]} symbols
   * @returns {{state: import("./network.js").State | null, count: number, read: (symbol: number,
   *   state: import("./network.js").State) => void}}  the state after the first `count` symbols; `read` records another
   */
  begin(symbols) {
    let known = { symbols: [], states: [] };
    for (const text of this.#texts) {
      const states = Math.floor(common(text.symbols, symbols) / EVERY);
      if (states > known.states.length) {
        known = { symbols: symbols.slice(0, states * EVERY), states: text.states.slice(0, states) };
      }
    }
    this.#texts = [known, ...this.#texts].slice(0, TEXTS);
    const read = (symbol, state) => {
      if (known.states.length * state.values.byteLength >= MOST_BYTES) return;
      known.symbols.push(symbol);
      if (known.symbols.length % EVERY === 0) known.states.push(state.copy());
    };
    return { state: known.states.at(-1)?.copy() ?? null, count: known.symbols.length, read };
  }
}

/** How many symbols two texts have in common at their beginnings. */
function common(first, second) {
  let place = 0;
  while (place < first.length && place < second.length && first[place] === second[place]) place += 1;
  return place;
}
