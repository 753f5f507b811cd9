/** The settings of a text: their ranges, and controls for them. */

import { element } from "./dom.js";

/** Of each column. What a setting does is told under it. */
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

export const SPEEDS = [4, 12, 30, 90, Infinity];
const SPEED_NAMES = ["very slow", "slow", "readable", "fast", "at once"];

export const defaults = (ranges) => Object.fromEntries(Object.entries(ranges).map(([name, { value }]) => [name, value]));

/** A number from outside, within its range; undefined if it is none. */
export function within({ min, max, step }, text) {
  const number = text === null || text === undefined || text === "" ? NaN : Number(text);
  if (!Number.isFinite(number)) return undefined;
  const bounded = Math.max(min, Math.min(max, number));
  return step === 1 ? Math.round(bounded) : bounded;
}

let controls = 0;

/** A slider with its value next to its name. `set` changes it without a call of `onChange`. */
export function slider(range, value, onChange) {
  const id = `control-${(controls += 1)}`;
  const output = element("output", { for: id });
  const { min, max, step } = range;
  const note = range.note && element("small", { id: `${id}-note` }, range.note);
  const about = { id, type: "range", min, max, step, "aria-describedby": note ? `${id}-note` : null };
  const input = element("input", { ...about, oninput: () => say(Number(input.value)) });
  const show = (number) => {
    input.value = number;
    output.textContent = range.names ? range.names[number] : step < 1 ? Number(number).toFixed(2) : String(number);
    if (range.names) input.setAttribute("aria-valuetext", output.textContent);
  };
  const say = (number) => {
    show(number);
    onChange(number);
  };
  show(value);
  const heading = element("span", { class: "heading" }, element("label", { for: id }, range.label), output);
  return { element: element("div", { class: "control" }, heading, input, note), set: show };
}

/** A field for a whole number. What is no number, or out of its range, is put right when the field is left. */
export function numberField(range, value, onChange) {
  const id = `control-${(controls += 1)}`;
  const { min, max } = range;
  let current = value;
  const input = element("input", { id, type: "number", min, max, step: 1, inputmode: "numeric", value });
  input.addEventListener("input", () => {
    const number = within(range, input.value);
    if (number !== undefined && String(number) === input.value) onChange((current = number));
  });
  input.addEventListener("change", () => onChange((input.value = current = within(range, input.value) ?? current)));
  const note = element("small", { id: `${id}-note` }, range.note);
  input.setAttribute("aria-describedby", note.id);
  const control = element("div", { class: "control" }, element("label", { for: id }, range.label), input, note);
  return { element: control, set: (number) => (input.value = current = number) };
}

/** A field for a line of text. */
export function textField(label, note, value, onChange) {
  const id = `control-${(controls += 1)}`;
  const input = element("input", { id, type: "text", value, maxlength: 200, autocomplete: "off", spellcheck: "false" });
  input.setAttribute("aria-describedby", `${id}-note`);
  input.addEventListener("change", () => onChange(input.value));
  const small = element("small", { id: `${id}-note` }, note);
  const control = element("div", { class: "control" }, element("label", { for: id }, label), input, small);
  return { element: control, set: (text) => (input.value = text) };
}

/** How fast a text is shown. */
export function speedSlider(value, onChange) {
  const range = { label: "Speed", min: 0, max: SPEEDS.length - 1, step: 1, names: SPEED_NAMES };
  return slider(range, value, onChange);
}

/** A choice of models; it is hidden if there is only one. */
export function modelChoice(models, value, onChange) {
  const id = `control-${(controls += 1)}`;
  const options = models.map((model) => element("option", { value: model.id }, model.id));
  const input = element("select", { id, onchange: () => onChange(input.value) }, ...options);
  input.value = value;
  const control = element("div", { class: "control model", hidden: models.length < 2 });
  control.append(element("label", { for: id }, "Model"), input);
  return { element: control, set: (name) => (input.value = name) };
}
