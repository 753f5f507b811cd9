/** Telling texts apart: the classes of a text while it is typed. */

import { element, newestOnly, whenQuiet } from "./dom.js";
import { modelChoice } from "./settings.js";
import { percent } from "./surprise.js";

const SHOWN = 8;

export class ClassifyPage {
  #context;
  #model;
  #newest = newestOnly();

  constructor(context, address) {
    this.#context = context;
    this.#model = context.models.find((model) => model.id === address.get("model"))?.id ?? context.models[0].id;
    const model = modelChoice(context.models, this.#model, (name) => this.#classify((this.#model = name)));
    const soon = whenQuiet(150, () => this.#classify());
    this.input = element("textarea", { id: "apart", rows: 4, maxlength: 4000, oninput: soon });
    this.answer = element("ol", { class: "alternatives classes", "aria-label": "Classes", "aria-live": "polite" });
    const card = element("div", { class: "card beginning" }, model.element, element("label", { for: "apart" }, "A text"));
    card.append(this.input, this.answer);
    this.element = element("section", { class: "page narrow" }, card);
    this.begin(address.get("mode") === "classify" ? address.get("text") ?? "" : "");
  }

  begin(text) {
    this.input.value = text;
    if (text) this.#classify();
  }

  address() {
    return { model: this.#context.models.length > 1 ? this.#model : null, text: this.input.value || null };
  }

  async #classify() {
    const signal = this.#newest();
    const text = this.input.value;
    try {
      const found = text.trim() ? await this.#context.backend.classify({ model: this.#model, text }, { signal }) : [];
      const best = [...found].sort((first, second) => second.probability - first.probability).slice(0, SHOWN);
      this.answer.replaceChildren(...best.map(row));
      this.#context.onChange();
    } catch (error) {
      this.#context.onError(error);
    }
  }
}

function row({ label, probability }) {
  const bar = element("span", { class: "bar" });
  bar.style.inlineSize = `${100 * probability}%`;
  return element("li", {}, element("span", { class: "label" }, label), element("span", { class: "track" }, bar), percent(probability));
}
