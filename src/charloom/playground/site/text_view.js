/** A text of which every character is shaded, with a cursor that goes from one to the next. */

import { element } from "./dom.js";
import { inBits, level, nameOf } from "./surprise.js";

const REST = 90;
let views = 0;

export class TextView {
  /** The character under the cursor; -1: none. */
  cursor = -1;
  #id = `text-${(views += 1)}`;
  #prompt = element("span", { class: "prompt" });
  #text;
  #spans = [];
  #on;
  #resting = 0;
  #pinned = false;

  /**
   * @param {{label: string, onCursor: (place: number) => void, onKey?: (event: KeyboardEvent) => boolean}} on
   *   onKey: says whether it took a key that does not move the cursor
   */
  constructor(on) {
    this.#on = on;
    const listeners = {
      onkeydown: (event) => this.#key(event),
      onfocus: () => this.#spans.length && this.move(Math.max(0, this.cursor)),
      onpointerover: (event) => this.#hover(event),
      onpointerleave: () => clearTimeout(this.#resting),
      onclick: (event) => this.#pin(event),
    };
    this.#text = element("span", { class: "text", role: "listbox", tabindex: 0, "aria-label": on.label, ...listeners });
    this.element = element("div", { class: "prose" }, this.#prompt, this.#text);
    this.#relabel();
  }

  get length() {
    return this.#spans.length;
  }

  show(prompt, characters) {
    this.#prompt.textContent = prompt;
    this.#text.replaceChildren();
    this.#spans = [];
    this.cursor = -1;
    this.#pinned = false;
    this.#relabel();
    this.append(characters);
  }

  append(characters) {
    const first = this.#spans.length;
    const spans = characters.map((character, place) => this.#span(character, first + place));
    this.#spans.push(...spans);
    this.#text.append(...spans);
    if (!first && spans.length) this.#relabel();
  }

  /** Shade the characters otherwise: a class for each, or null for those of surprise again. */
  shade(classes) {
    this.#spans.forEach((span, place) => {
      span.className = `character ${classes?.[place] ?? `s${span.dataset.level}`}`;
    });
    this.#spans[this.cursor]?.classList.add("current");
  }

  move(place) {
    this.#spans[this.cursor]?.classList.remove("current");
    this.#spans[this.cursor]?.setAttribute("aria-selected", "false");
    this.cursor = Math.max(0, Math.min(this.length - 1, place));
    const span = this.#spans[this.cursor];
    if (!span) return;
    span.classList.add("current");
    span.setAttribute("aria-selected", "true");
    this.#text.setAttribute("aria-activedescendant", span.id);
    this.#on.onCursor(this.cursor);
  }

  focus() {
    this.#text.focus();
  }

  /** Bring the character under the cursor into sight. */
  reveal() {
    this.#spans[this.cursor]?.scrollIntoView({ block: "nearest" });
  }

  /** An empty list has no options, so it is none until there is text. */
  #relabel() {
    const empty = this.#spans.length === 0;
    this.#text.setAttribute("role", empty ? "group" : "listbox");
    this.#text.setAttribute("tabindex", empty ? "-1" : "0");
    this.#text.removeAttribute("aria-activedescendant");
  }

  #span({ text, nats, chosen }, place) {
    const known = level(nats);
    const label = `${nameOf(text)}, ${chosen ? "chosen by you, " : ""}${inBits(nats)}`;
    const about = { id: `${this.#id}-${place}`, role: "option", "aria-selected": "false", "aria-label": label };
    const data = { "data-bits": inBits(nats), "data-level": known, "data-place": place, "data-chosen": chosen };
    const shown = text === "\n" ? "↵\n" : text || "∎";
    return element("span", { class: `character s${known}`, ...about, ...data }, shown);
  }

  #placeOf(event) {
    const span = event.target.closest?.(".character");
    return span ? Number(span.dataset.place) : -1;
  }

  #hover(event) {
    clearTimeout(this.#resting);
    const place = this.#placeOf(event);
    if (event.pointerType !== "mouse" || place < 0 || this.#pinned) return;
    this.#resting = setTimeout(() => this.move(place), REST);
  }

  /** A click keeps the cursor where it is while the mouse goes elsewhere; a second one lets it go. */
  #pin(event) {
    const place = this.#placeOf(event);
    if (place < 0) return;
    clearTimeout(this.#resting);
    this.#pinned = !(this.#pinned && place === this.cursor);
    this.move(place);
  }

  #key(event) {
    const steps = { ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity };
    if (event.key in steps && !event.altKey && !event.metaKey) {
      const step = event.ctrlKey ? this.#word(steps[event.key]) : steps[event.key];
      this.#pinned = true;
      this.move(this.cursor + step);
      this.reveal();
    } else if (!this.#on.onKey?.(event)) return;
    event.preventDefault();
  }

  /** Steps to the beginning of the next word, or of the one before. */
  #word(direction) {
    let place = this.cursor + direction;
    const blank = (at) => !this.#spans[at]?.textContent.trim() || this.#spans[at].textContent.startsWith("↵");
    while (place > 0 && place < this.length - 1 && !(blank(place - 1) && !blank(place))) place += direction;
    return place - this.cursor;
  }
}
