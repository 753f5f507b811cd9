/** Reads a growing text out in sentences rather than characters, for those who listen. */

import { element } from "./dom.js";

const ENOUGH = 120;

export class Announcer {
  #said = element("p");
  #rest = "";

  constructor(label) {
    const about = { class: "visually-hidden", role: "log", "aria-live": "polite", "aria-label": label };
    this.element = element("div", about, this.#said);
  }

  begin() {
    this.#rest = "";
    this.#said = element("p");
    this.element.replaceChildren(this.#said);
  }

  add(text) {
    this.#rest += text;
    const end = /^[\s\S]*[.!?;:,\n]["”’)]*\s/.exec(this.#rest)?.[0].length ?? 0;
    const words = this.#rest.length > ENOUGH ? this.#rest.lastIndexOf(" ") + 1 : 0;
    this.#say(Math.max(end, words));
  }

  finish() {
    this.#say(this.#rest.length);
  }

  #say(length) {
    if (!length) return;
    this.#said.append(element("span", {}, this.#rest.slice(0, length)));
    this.#rest = this.#rest.slice(length);
  }
}
