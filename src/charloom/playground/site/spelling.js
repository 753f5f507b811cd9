/** Corrections with their reasons, and each of them in the text. */

import { element } from "./dom.js";
import { percent } from "./surprise.js";

/** Ask for corrections, mark the words in the view and list them; `begin` reads a corrected text. */
export async function spelling(panel, view, { model, text, backend, signal }, begin) {
  panel.replaceChildren(element("p", { class: "hint" }, "Looking for slips …"));
  const corrections = await backend.correct({ model: model.id, text }, { signal });
  const classes = Array.from({ length: view.length }, () => "plain");
  for (const { start, end } of corrections) classes.fill("slip", start, end);
  view.shade(classes);
  const apply = (chosen) => begin(corrected(text, chosen));
  const item = (each) => {
    const button = element("button", { type: "button", class: "quiet", onclick: () => apply([each]) }, "Correct");
    button.setAttribute("aria-label", `Correct ${each.word} to ${each.correction}`);
    const words = element("p", {}, element("del", {}, each.word), " → ", element("ins", {}, each.correction));
    const reason = element("p", { class: "reason" }, `${percent(each.probability)} sure · ${each.reason}`);
    return element("li", {}, element("div", {}, words, reason), button);
  };
  const nothing = element("p", { class: "hint" }, "No slips were found.");
  const all = element("button", { type: "button", onclick: () => apply(corrections) }, "Correct all");
  const list = element("ol", { class: "corrections" }, ...corrections.map(item));
  panel.replaceChildren(element("h2", {}, "Corrections"), ...(corrections.length ? [list, all] : [nothing]));
}

function corrected(text, corrections) {
  const points = [...text];
  for (const { start, end, correction } of [...corrections].sort((first, second) => second.start - first.start)) {
    points.splice(start, end - start, correction);
  }
  return points.join("");
}
