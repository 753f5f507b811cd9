/** What the shades mean. */

import { element } from "./dom.js";
import { LEVELS } from "./surprise.js";

export function legend() {
  const swatch = (_, place) => element("span", { class: `character s${place}` }, place === LEVELS - 1 ? `${place}+` : `${place}`);
  const swatches = element("span", { class: "swatches" }, ...Array.from({ length: LEVELS }, swatch));
  return element("p", { class: "legend" }, swatches, "bits of surprise");
}
