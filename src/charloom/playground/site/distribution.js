/** What is drawn from: the model's probabilities after the sampling settings, as `charloom.generation.sampling` does. */

const WINDOW = 64;

/**
 * @param {number[]} probabilities  the model's own, in the order of the symbols
 * @param {{temperature: number, top_k: number, top_p: number, min_p: number, repetition_penalty: number}} settings
 * @param {Set<number>} recent  places of the symbols that the penalty concerns
 */
export function distribution(probabilities, settings, recent) {
  const scores = probabilities.map((each, place) => {
    const score = Math.log(Math.max(each, Number.MIN_VALUE));
    return recent.has(place) ? score * settings.repetition_penalty : score;
  });
  const highest = scores.reduce((most, each) => Math.max(most, each), -Infinity);
  if (settings.temperature === 0) return scores.map((_, place) => Number(place === scores.indexOf(highest)));
  let shares = normalized(scores.map((score) => Math.exp((score - highest) / settings.temperature)));
  const order = shares.map((_, place) => place).sort((a, b) => shares[b] - shares[a] || a - b);
  const first = (count) => new Set(order.slice(0, count));
  if (settings.top_k > 0) shares = only(shares, first(settings.top_k));
  if (settings.top_p < 1) {
    let [sum, count] = [0, 0];
    while (count < order.length && sum < settings.top_p) sum += shares[order[count++]];
    shares = only(shares, first(count));
  }
  if (settings.min_p > 0) {
    const least = settings.min_p * shares[order[0]];
    shares = kept(shares, (share) => share >= least);
  }
  return shares;
}

/** Places of the symbols among the last ones of a text. */
export function recentPlaces(text, symbols) {
  const places = new Map(symbols.map((symbol, place) => [symbol, place]));
  return new Set([...text].slice(-WINDOW).map((character) => places.get(character)));
}

const normalized = (shares) => {
  const sum = shares.reduce((total, share) => total + share, 0);
  return shares.map((share) => share / sum);
};

const kept = (shares, holds) => normalized(shares.map((share, place) => (holds(share, place) ? share : 0)));

const only = (shares, places) => kept(shares, (_, place) => places.has(place));
