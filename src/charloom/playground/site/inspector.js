/** What the model expected at one character: the most probable ones, and the number that was drawn. */

import { drawn, element, newestOnly, whenQuiet } from "./dom.js";
import { Pcg64 } from "./random.js";
import { distribution } from "./sampling.js";
import { glyph, inBits, nameOf, percent } from "./surprise.js";

const LABELLED = 0.045;

/**
 * @typedef {{character: object, before: string, symbols?: string[] | null, onChoose: (text: string) => void,
 *   whole?: (signal: AbortSignal) => Promise<[string, number][]>}} Place  whole: every character with its probability
 */
export class Inspector {
  #hint;
  #title = element("h2", { class: "found" });
  #about = element("p", { class: "about" });
  #list = element("ol", { class: "alternatives" });
  #draw = element("div", { class: "draw" });
  #place = null;
  #newest = newestOnly();
  #soon = whenQuiet(120, (place) => this.#drawOf(place));

  constructor(hint) {
    this.#hint = element("p", { class: "hint" }, hint);
    const close = element("button", { type: "button", class: "close", onclick: () => this.clear() }, "Close");
    const inside = element("div", { class: "inside" }, close, this.#title, this.#about, this.#list, this.#draw);
    this.element = element("aside", { class: "inspector empty", "aria-label": "One character" }, this.#hint, inside);
  }

  clear() {
    this.#newest();
    this.#place = null;
    this.element.classList.add("empty");
  }

  /** @param {Place} place */
  show(place) {
    this.#newest();
    this.#place = place;
    const { character } = place;
    this.element.classList.remove("empty");
    this.#title.replaceChildren(element("span", { class: "glyph" }, glyph(character.text)), inBits(character.nats));
    const rank = character.top.findIndex(([text]) => text === character.text) + 1;
    const chance = `The model gave “${nameOf(character.text)}” ${percent(Math.exp(-character.nats))}`;
    const order = rank ? `, ${rank === 1 ? "the most probable" : `number ${rank}`} of all characters.` : ".";
    this.#about.textContent = character.chosen ? `${chance}${order} You chose it.` : chance + order;
    const highest = character.top[0]?.[1] ?? 1;
    this.#list.replaceChildren(...character.top.map(([text, share]) => this.#alternative(text, share, highest)));
    this.#draw.replaceChildren();
    if (place.whole && place.symbols && !character.chosen) this.#soon(place);
  }

  /** Go to the next alternative, or the one before; returns what it is, for those who listen. */
  step(direction) {
    const buttons = [...this.#list.querySelectorAll("button")];
    if (!buttons.length) return "";
    const now = buttons.findIndex((button) => button.classList.contains("aimed"));
    const next = Math.max(0, Math.min(buttons.length - 1, now + direction));
    buttons.forEach((button, place) => button.classList.toggle("aimed", place === next));
    return buttons[next].getAttribute("aria-label");
  }

  /** Take the alternative that was gone to. Returns whether there was one. */
  take() {
    const aimed = this.#list.querySelector("button.aimed");
    aimed?.click();
    return aimed !== null;
  }

  #alternative(text, share, highest) {
    const { character, onChoose } = this.#place;
    const taken = text === character.text;
    const bar = element("span", { class: "bar" });
    bar.style.inlineSize = `${(100 * share) / highest}%`;
    const parts = [element("span", { class: "glyph" }, glyph(text)), element("span", { class: "track" }, bar), percent(share)];
    const label = `${nameOf(text)}, ${percent(share)}${taken ? ", in the text" : ", go on with it"}`;
    const end = text === "" || text === "<end>" || /^<[0-9a-f]{2}>$/.test(text);
    const about = { type: "button", "aria-label": label, class: taken ? "taken" : "", disabled: end };
    return element("li", {}, element("button", { ...about, onclick: () => onChoose(text) }, ...parts));
  }

  async #drawOf(place) {
    const signal = this.#newest();
    const all = await place.whole(signal).catch(() => null);
    if (!all || place !== this.#place || signal.aborted) return;
    const { character, symbols, before } = place;
    const shares = new Map(all);
    const names = [...symbols, ...all.map(([text]) => text).filter((text) => !symbols.includes(text))];
    const own = Float64Array.from(names, (name) => Math.log(shares.get(name) || Number.MIN_VALUE));
    const recent = [...before].map((text) => names.indexOf(text)).filter((id) => id >= 0);
    const after = distribution(own, character.settings, recent);
    const uniform = new Pcg64(BigInt(character.settings.seed)).advance(character.number).random();
    this.#draw.replaceChildren(...drawing(names, after, character.text, uniform));
  }
}

/** The characters next to one another, each as wide as its probability, and the number that fell on one of them. */
function drawing(names, shares, taken, uniform) {
  const parts = [];
  let [start, from, to] = [0, 0, 0];
  shares.forEach((share, place) => {
    const mine = names[place] === taken;
    if (mine) [from, to] = [start, start + share];
    if (share > 0) {
      const box = { x: 400 * start, y: 14, width: 400 * share, height: 26, class: mine ? "share mine" : "share" };
      parts.push(drawn("rect", box));
      const at = { x: 400 * (start + share / 2), y: 32, "text-anchor": "middle", class: mine ? "mine" : "" };
      if (share > LABELLED) parts.push(drawn("text", at, glyph(names[place])));
    }
    start += share;
  });
  const x = 400 * uniform;
  parts.push(drawn("path", { d: `M${x} 46 l-6 9 h12 z M${x} 12 v34`, class: "needle" }));
  const label = `The number drawn, ${uniform.toFixed(4)}, falls between ${from.toFixed(4)} and ${to.toFixed(4)}.`;
  const picture = drawn("svg", { viewBox: "0 0 400 58", role: "img", "aria-label": label }, ...parts);
  const what = "With your settings each character gets a share of the line from 0 to 1, ";
  return [
    element("h3", {}, "The draw"),
    picture,
    element("p", {}, `${what}in the order of the alphabet. ${label}`),
  ];
}
