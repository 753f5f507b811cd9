/** A request to write, checked: what charloom refuses on the command line is refused here too. */

import { BackendError } from "../backend_error.js";

const MOST_LENGTH = 1e12;

/** The request with every setting in its range; what is missing has charloom's default. */
export function checked(request) {
  const { prompt = "", length = 500, stop = [], seed = 0, draws = 0, top = 0, greedy = false, ...numbers } = request;
  const { temperature = 1, top_k = 0, top_p = 1, min_p = 0, repetition_penalty = 1 } = numbers;
  if (length !== null) whole("length", length, 0, MOST_LENGTH);
  whole("draws", draws, 0, Number.MAX_SAFE_INTEGER);
  whole("top", top, 0, Number.MAX_SAFE_INTEGER);
  whole("top-k", top_k, 0, 2 ** 31);
  if (typeof seed !== "bigint" || seed < 0n) whole("seed", seed, 0, Number.MAX_SAFE_INTEGER);
  if (!greedy) number("temperature", temperature, 0, 1e300, { open: true });
  number("top-p", top_p, 0, 1, { open: true });
  number("min-p", min_p, 0, 1);
  number("repetition", repetition_penalty, 0, 1000, { open: true });
  if (stop.some((text) => !text)) throw new BackendError("A stop string is empty; give it at least one character.");
  return { prompt, length, stop, seed, draws, top, greedy, temperature, top_k, top_p, min_p, repetition_penalty };
}

function whole(name, value, least, most) {
  if (!Number.isInteger(value)) throw new BackendError(`The ${name} is ${value}; it must be a whole number.`);
  number(name, value, least, most);
}

function number(name, value, least, most, { open = false } = {}) {
  const inside = typeof value === "number" && (open ? value > least : value >= least) && value <= most;
  const range = `${open ? "above" : "at least"} ${least} and at most ${most}`;
  if (!inside) throw new BackendError(`The ${name} is ${value}; it must be ${range}.`);
}
