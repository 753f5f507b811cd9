/** The settings of a text: their ranges, and controls for them. Each control has an `element` and can be `set`. */

import { element } from "./dom.js";

/** Of each column. */
export const SAMPLING = {
  temperature: { label: "Temperature", value: 0.7, min: 0, max: 2, step: 0.05, note: "Low: the expected. High: the unusual." },
  top_p: { label: "Top-p", value: 1, min: 0.05, max: 1, step: 0.01, note: "Only the most probable that together have this share. 1: all." },
  top_k: { label: "Top-k", value: 0, min: 0, max: 50, step: 1, note: "Only this many characters. 0: all." },
  min_p: { label: "Min-p", value: 0, min: 0, max: 0.5, step: 0.01, note: "None less probable than this share of the most probable. 0: all." },
  repetition_penalty: { label: "Repetition penalty", value: 1, min: 1, max: 2, step: 0.05, note: "Above 1: recent characters become less probable." },
};

/** Of all columns. */
export const SHARED = {
  seed: { label: "Seed", value: 4, min: 0, max: 2 ** 32 - 1, step: 1, note: "The same seed draws the same random numbers." },
  length: { label: "Length", value: 300, min: 1, max: 5000, step: 1, note: "Characters to write." },
};

/** How fast a text is shown, in characters a second. */
export const SPEEDS = [4, 12, 30, 90, 1e6];
export const SPEED = { label: "Speed", min: 0, max: 4, step: 1, names: ["very slow", "slow", "readable", "fast", "at once"] };

export const defaults = (ranges) => Object.fromEntries(Object.entries(ranges).map(([name, { value }]) => [name, value]));

/** A number from outside, within its range; undefined if it is none. */
export function within({ min, max, step }, text) {
  const number = (text ?? "") === "" ? NaN : Number(text);
  if (!Number.isFinite(number)) return undefined;
  const bounded = Math.max(min, Math.min(max, number));
  return step === 1 ? Math.round(bounded) : bounded;
}

let controls = 0;

/** A control with its label, what else stands there, and a note under it. */
export function labelled(label, input, note = null, output = null) {
  input.id ||= `control-${(controls += 1)}`;
  const small = note && element("small", { id: `${input.id}-note` }, note);
  if (small) input.setAttribute("aria-describedby", small.id);
  const heading = element("span", { class: "heading" }, element("label", { for: input.id }, label), output);
  return element("div", { class: "control" }, heading, input, small);
}

/** A slider with its value next to its name. */
export function slider({ label, note, names, min, max, step }, value, onChange) {
  const output = element("output");
  const input = element("input", { type: "range", min, max, step });
  const set = (number) => {
    input.value = number;
    output.textContent = names ? names[number] : step < 1 ? Number(number).toFixed(2) : String(number);
    if (names) input.setAttribute("aria-valuetext", output.textContent);
  };
  input.addEventListener("input", () => set(input.value) || onChange(Number(input.value)));
  set(value);
  return { element: labelled(label, input, note, output), set };
}

/** A field for a whole number. What is no number, or out of its range, is put right when the field is left. */
export function numberField(range, value, onChange) {
  const input = element("input", { type: "number", min: range.min, max: range.max, step: 1, inputmode: "numeric", value });
  let current = value;
  const set = (number) => (input.value = current = number);
  input.addEventListener("input", () => {
    const number = within(range, input.value);
    if (String(number) === input.value) onChange((current = number));
  });
  input.addEventListener("change", () => onChange(set(within(range, input.value) ?? current)));
  return { element: labelled(range.label, input, range.note), set };
}

/** A field for a line of text. */
export function textField(label, note, value, onChange) {
  const input = element("input", { type: "text", value, maxlength: 200, autocomplete: "off", spellcheck: "false" });
  input.addEventListener("change", () => onChange(input.value));
  return { element: labelled(label, input, note), set: (text) => (input.value = text) };
}

/** A choice of models; it is hidden if there is only one. */
export function modelChoice(models, value, onChange) {
  const options = models.map((model) => element("option", { value: model.id }, model.id));
  const input = element("select", { onchange: () => onChange(input.value) }, ...options);
  input.value = value;
  const control = labelled("Model", input);
  control.classList.add("model");
  control.hidden = models.length < 2;
  return { element: control, set: (name) => (input.value = name) };
}
