/** When a text ends: at a length, before a stop string, or where the model ends it. */

/** Symbols in, text out. The length counts characters; without one the text never ends. */
export class Outlet {
  #boundary;
  #decoder;
  #gate;
  #length;
  #written = 0;

  /**
   * @param {import("./vocabulary.js").Vocabulary} vocabulary
   * @param {number | null} length
   * @param {string[]} stop
   */
  constructor(vocabulary, length, stop) {
    this.#boundary = vocabulary.boundary;
    this.#decoder = vocabulary.decoder();
    this.#gate = new StopGate(stop);
    this.#length = length;
  }

  /**
   * The text that is now certain, and the reason if it is the last.
   * @returns {{text: string, reason: "length" | "stop" | "end" | null}}
   */
  push(symbol) {
    const ends = symbol === this.#boundary;
    let text = ends ? this.#decoder.finish() : this.#decoder.push(symbol);
    if (this.#length === null) {
      if (ends) text += "\n";
    } else {
      const characters = Array.from(text).slice(0, this.#length - this.#written);
      this.#written += characters.length;
      text = characters.join("");
    }
    const { free, stopped } = this.#gate.push(text);
    if (stopped) return { text: free, reason: "stop" };
    if (this.#length === null) return { text: free, reason: null };
    if (this.#written === this.#length) return { text: free + this.#gate.finish(), reason: "length" };
    return ends ? { text: free + this.#gate.finish(), reason: "end" } : { text: free, reason: null };
  }
}

/** Holds back what may be the beginning of a stop string, and lets the rest through. */
export class StopGate {
  #stop;
  #held = "";

  /** @param {string[]} stop */
  constructor(stop) {
    this.#stop = stop;
  }

  /** The text that may be shown now, without any part of a stop string, and whether a stop string is complete. */
  push(text) {
    if (!this.#stop.length) return { free: text, stopped: false };
    let free = "";
    for (const character of text) {
      this.#held += character;
      const complete = this.#stop.filter((stop) => this.#held.endsWith(stop));
      if (complete.length) {
        const longest = Math.max(...complete.map((stop) => stop.length));
        free += this.#held.slice(0, this.#held.length - longest);
        this.#held = "";
        return { free, stopped: true };
      }
      const certain = this.#held.length - this.#beginning();
      free += this.#held.slice(0, certain);
      this.#held = this.#held.slice(certain);
    }
    return { free, stopped: false };
  }

  /** What was held back, now that no stop string can follow. */
  finish() {
    const held = this.#held;
    this.#held = "";
    return held;
  }

  /** Length of the longest tail of the held text that begins a stop string. */
  #beginning() {
    for (let size = this.#held.length; size > 0; size -= 1) {
      const tail = this.#held.slice(this.#held.length - size);
      if (this.#stop.some((stop) => stop.startsWith(tail))) return size;
    }
    return 0;
  }
}
