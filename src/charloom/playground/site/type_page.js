/** Typing: how the model would finish the word or the line, after every key. */

import { element, newestOnly, whenQuiet } from "./dom.js";
import { labelled, modelChoice } from "./settings.js";
import { glyph, percent } from "./surprise.js";

const SUGGESTIONS = 6;
const KINDS = ["word", "line", "identifier"];

export class TypePage {
  #context;
  #model;
  #kind = "word";
  #newest = newestOnly();

  constructor(context, address) {
    this.#context = context;
    this.#model = context.models.find((model) => model.id === address.get("model"))?.id ?? context.models[0].id;
    const soon = whenQuiet(60, () => this.#suggest());
    const listeners = { oninput: soon, onclick: soon, onkeyup: (event) => /^(Arrow|Home|End)/.test(event.key) && soon() };
    const about = { id: "typed", rows: 5, maxlength: 4000, spellcheck: "false", "aria-describedby": "typed-note" };
    this.input = element("textarea", { ...about, ...listeners, onkeydown: (event) => this.#key(event) });
    const kind = element("select", { id: "kind", onchange: () => this.#suggest((this.#kind = kind.value)) });
    kind.append(...KINDS.map((name) => element("option", { value: name }, name)));
    const model = modelChoice(context.models, this.#model, (name) => this.#suggest((this.#model = name)));
    const note = "Arrow down goes to the suggestions, left and right go through them, Enter takes one.";
    this.chips = element("ol", { class: "chips", "aria-label": "Suggestions", onkeydown: (event) => this.#chipKey(event) });
    const finish = labelled("Finish the", kind);
    this.element = element(
      "section", { class: "page narrow" },
      element(
        "div", { class: "card beginning" }, element("div", { class: "grid" }, model.element, finish),
        element("label", { for: "typed" }, "Type"), this.input, element("div", { class: "suggestions" }, this.chips),
        element("p", { class: "hint", id: "typed-note" }, note),
      ),
    );
    const example = this.#model === "english" ? "It was a d" : "";
    this.begin(address.get("mode") === "type" ? address.get("text") ?? example : example);
  }

  begin(text) {
    this.input.value = text;
    this.#suggest();
  }

  address() {
    return { model: this.#context.models.length > 1 ? this.#model : null, text: this.input.value || null };
  }

  async #suggest() {
    const text = this.input.value.slice(0, this.input.selectionStart);
    const request = { model: this.#model, text, count: SUGGESTIONS, kind: this.#kind };
    try {
      const signal = this.#newest();
      const found = text ? await this.#context.backend.complete(request, { signal }) : [];
      const begun = /[^\s]*$/.exec(text)[0];
      const chip = (each) => {
        const parts = [element("span", { class: "typed" }, begun), [...each.text].map((one) => (one === "\n" ? glyph(one) : one)).join("")];
        const figure = element("span", { class: "figure" }, percent(each.probability));
        return element("li", {}, element("button", { type: "button", class: "chip", onclick: () => this.#take(each.text) }, ...parts, figure));
      };
      if (!signal.aborted) this.chips.replaceChildren(...found.map(chip));
      this.#context.withdraw("error");
      this.#context.onChange();
    } catch (error) {
      this.#context.onError(error);
    }
  }

  #take(text) {
    const place = this.input.selectionStart;
    this.input.setRangeText(text, place, place, "end");
    this.input.focus();
    this.#suggest();
  }

  #key(event) {
    const last = this.input.selectionStart === this.input.value.length;
    if (event.key !== "ArrowDown" || !last || !this.chips.children.length) return;
    this.chips.querySelector("button").focus();
    event.preventDefault();
  }

  #chipKey(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const buttons = [...this.chips.querySelectorAll("button")];
    if (step) buttons[buttons.indexOf(document.activeElement) + step]?.focus();
    else if (event.key === "Escape" || event.key === "ArrowUp") this.input.focus();
    else return;
    event.preventDefault();
  }
}
