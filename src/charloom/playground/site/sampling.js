/**
 * From logits to a distribution to a symbol, in double precision and in the order of `charloom.generation.sampling`, so
 * that the same numbers draw the same symbols.
 *
 * @typedef {{temperature: number, top_k: number, top_p: number, min_p: number, repetition_penalty: number,
 *   greedy: boolean}} Settings
 */

import { BackendError } from "./backend_error.js";

/** How many of the last symbols the repetition penalty considers. */
export const REPETITION_WINDOW = 64;

/** log p (V,) of all symbols, with no sampling settings applied. */
export function logProbabilities(logits) {
  const scores = finite(logits);
  const most = scores.reduce((first, second) => Math.max(first, second));
  for (let id = 0; id < scores.length; id += 1) scores[id] -= most;
  const total = Math.log(pairwiseSum(scores.map(Math.exp)));
  for (let id = 0; id < scores.length; id += 1) scores[id] -= total;
  return scores;
}

/**
 * Probabilities (V,) from logits (V,), after penalty, temperature, top-k, top-p and min-p, in this order. Ties in top-k
 * and top-p go to the smaller id.
 * @param {Float32Array} logits
 * @param {Settings} settings
 * @param {number[]} recent  the last symbols of the text
 * @returns {Float64Array}
 */
export function distribution(logits, settings, recent) {
  const penalty = settings.repetition_penalty;
  const scores = penalty === 1 ? finite(logits) : penalized(logits, penalty, recent);
  const most = scores.reduce((first, second) => Math.max(first, second));
  if (settings.greedy) {
    const best = scores.indexOf(most);
    return scores.map((_, id) => Number(id === best));
  }
  const probabilities = scores.map((score) => Math.exp((score - most) / settings.temperature));
  normalize(probabilities);
  if (settings.top_k > 0 && settings.top_k < probabilities.length) {
    const least = probabilities.toSorted().at(-settings.top_k);
    keepLargest(probabilities, least, settings.top_k);
  }
  if (settings.top_p < 1) {
    const ordered = probabilities.toSorted().reverse();
    const count = countFor(ordered, settings.top_p);
    keepLargest(probabilities, ordered[count - 1], count);
  }
  if (settings.min_p > 0) {
    const least = settings.min_p * probabilities.reduce((first, second) => Math.max(first, second));
    keep(probabilities, (probability) => probability >= least);
  }
  return probabilities;
}

/** The first symbol whose cumulative probability exceeds `uniform`, a number in [0, 1). */
export function draw(probabilities, uniform) {
  let sum = 0;
  let last = 0;
  for (let id = 0; id < probabilities.length; id += 1) {
    sum += probabilities[id];
    if (sum > uniform) return id;
    if (probabilities[id]) last = id;
  }
  return last; // the sum was rounded to just below `uniform`
}

/** The sum as numpy adds it up: halves of halves, and eight sums side by side in blocks of at most 128. */
export function pairwiseSum(values) {
  if (values.length > 128) {
    const half = values.length >> 1;
    const middle = half - (half % 8);
    return pairwiseSum(values.subarray(0, middle)) + pairwiseSum(values.subarray(middle));
  }
  const blocks = values.length - (values.length % 8);
  const sums = values.slice(0, Math.min(8, blocks));
  for (let place = 8; place < blocks; place += 1) sums[place % 8] += values[place];
  const [a, b, c, d, e, f, g, h] = sums;
  let total = blocks ? a + b + (c + d) + (e + f + (g + h)) : 0;
  for (let place = blocks; place < values.length; place += 1) total += values[place];
  return total;
}

/** How many of the largest probabilities, in descending order, it takes to reach `share`. */
function countFor(ordered, share) {
  let sum = 0;
  for (let place = 0; place < ordered.length; place += 1) {
    sum += ordered[place];
    if (!(sum < share)) return place + 1;
  }
  return ordered.length;
}

/** Keep the `count` largest (`least`: the smallest of them); of equal ones the first. */
function keepLargest(probabilities, least, count) {
  let places = count - probabilities.filter((probability) => probability > least).length;
  keep(probabilities, (probability) => {
    if (probability !== least) return probability > least;
    places -= 1;
    return places >= 0;
  });
}

function keep(probabilities, isKept) {
  probabilities.forEach((probability, id) => {
    if (!isKept(probability)) probabilities[id] = 0;
  });
  normalize(probabilities);
}

function normalize(probabilities) {
  const total = pairwiseSum(probabilities);
  for (let id = 0; id < probabilities.length; id += 1) probabilities[id] /= total;
}

/** Log-probabilities in which those of recent symbols are multiplied by the penalty (Keskar et al. 2019). */
function penalized(logits, penalty, recent) {
  const scores = logProbabilities(logits);
  for (const id of new Set(recent.slice(-REPETITION_WINDOW))) scores[id] *= scores[id] > 0 ? 1 / penalty : penalty;
  return scores;
}

function finite(logits) {
  const scores = Float64Array.from(logits);
  if (!scores.every(Number.isFinite)) {
    throw new BackendError("The model's output is not a finite number, so its weights are damaged; train it again.");
  }
  return scores;
}
