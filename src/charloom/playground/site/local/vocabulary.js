/** The symbols that a model knows: characters in code point order, or the 256 bytes of UTF-8; then the boundary. */

import { BackendError } from "../backend_error.js";

export class Vocabulary {
  #ids;

  /**
   * @param {"characters" | "bytes"} kind
   * @param {string} characters  in code point order; empty for bytes
   */
  constructor(kind, characters) {
    this.kind = kind;
    this.characters = Array.from(characters);
    this.boundary = kind === "bytes" ? 256 : this.characters.length;
    this.#ids = new Map(this.characters.map((character, id) => [character, id]));
  }

  /** The id of the newline; undefined without one. */
  get newline() {
    return this.kind === "bytes" ? 10 : this.#ids.get("\n");
  }

  /** The ids of a text. An unknown character is an error. */
  encode(text) {
    const ids = [];
    let place = 0;
    for (const character of text) {
      const code = character.codePointAt(0);
      if (code >= 0xd800 && code < 0xe000) {
        throw new BackendError(`Character ${place + 1} is half of a surrogate pair and no character; remove it.`);
      }
      const id = this.#ids.get(character);
      if (this.kind === "bytes") ids.push(...new TextEncoder().encode(character));
      else if (id === undefined) throw this.#unknown(character, place);
      else ids.push(id);
      place += 1;
    }
    return ids;
  }

  /** One symbol as shown to people: the character, or a byte such as <e6>. */
  name(id) {
    if (this.kind === "characters") return this.characters[id];
    return id < 128 ? String.fromCharCode(id) : `<${id.toString(16)}>`;
  }

  decoder() {
    return new Decoder(this);
  }

  #unknown(character, place) {
    const code = character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
    return new BackendError(
      `“${character}” (U+${code}), character ${place + 1} of the text, is not among the ${this.boundary} ` +
        "characters that this model knows; leave it out.",
    );
  }
}

/** Ids in, text out, one symbol at a time; `finish` gives what is left of an incomplete last character. */
export class Decoder {
  #vocabulary;
  #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  #waiting = [];
  #last = 0;

  constructor(vocabulary) {
    this.#vocabulary = vocabulary;
  }

  push(id) {
    if (this.#vocabulary.kind === "characters") return this.#vocabulary.characters[id];
    const surrogate = this.#last === 0xed && id >= 0xa0 && id < 0xc0;
    this.#last = id;
    this.#waiting.push(id);
    return surrogate ? "" : this.#decode({ stream: true }); // Python waits for the third byte of a surrogate
  }

  finish() {
    this.#last = 0;
    return this.#decode();
  }

  #decode(options) {
    return this.#utf8.decode(Uint8Array.from(this.#waiting.splice(0)), options);
  }
}
