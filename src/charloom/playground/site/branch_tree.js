/** The branches of a column as a list of lists: where each leaves its parent, and what can be done with it. */

import { element } from "./dom.js";
import { textOf } from "./story.js";
import { bitsPerCharacter, glyph } from "./surprise.js";

const AROUND = 18;

export function branchTree(place, column, compare) {
  const { branches, current } = column.story;
  const button = (label, onclick) => element("button", { type: "button", class: "quiet", onclick }, label);
  const item = (branch) => {
    const name = `Branch ${branch.id}`;
    const open = { type: "button", class: "branch", "aria-current": branch === current ? "true" : null };
    const about = element("button", { ...open, onclick: () => column.show(branch) }, name, ...where(branch));
    const beside = button("Compare", () => compare(branch));
    beside.setAttribute("aria-label", `Compare ${name} side by side`);
    const gone = button("Remove", () => column.remove(branch));
    gone.setAttribute("aria-label", `Remove ${name}`);
    const children = branches.filter((each) => each.parent === branch).map(item);
    return element("li", {}, element("div", {}, about, beside, gone), children.length ? element("ul", {}, ...children) : null);
  };
  const roots = branches.filter((each) => !each.parent).map(item);
  place.hidden = branches.length < 2;
  place.setAttribute("aria-label", `Branches of column ${column.name}`);
  place.replaceChildren(element("h2", {}, "Branches"), element("ul", {}, ...roots));
}

/** The text around the place where a branch begins, its own character marked; and its surprise. */
function where({ prompt, parent, at, characters }) {
  const before = (prompt + textOf(characters.slice(0, at))).slice(-AROUND);
  const own = characters[at]?.text ?? "";
  const after = textOf(characters.slice(at + 1, at + 1 + AROUND));
  const mean = bitsPerCharacter(characters);
  const marked = parent ? element("mark", {}, glyph(own)) : own;
  const figure = element("span", { class: "figure" }, mean === null ? "" : `${mean.toFixed(2)} bits`);
  return [element("q", {}, `…${before}`, marked, after, "…"), figure];
}
