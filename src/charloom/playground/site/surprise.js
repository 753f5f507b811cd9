/** Surprise in numbers and words. */

const NAMES = { " ": "space", "\n": "new line", "\t": "tab", "\r": "carriage return", "": "end of the text" };
const GLYPHS = { " ": "␣", "\n": "↵", "\t": "⇥", "\r": "␍", "": "∎", "<end>": "∎" };

export const LEVELS = 8;

export const bits = (nats) => nats / Math.LN2;

/** The shade of a surprise: whole bits, up to 7. */
export const level = (nats) => Math.max(0, Math.min(LEVELS - 1, Math.floor(bits(nats))));

/** A character as it is shown alone. */
export const glyph = (text) => GLYPHS[text] ?? text;

/** A character as it is read out. */
export const nameOf = (text) => NAMES[text] ?? (text === "<end>" ? NAMES[""] : text);

export const inBits = (nats) => `${bits(nats).toFixed(1)} bits`;

export function percent(probability) {
  const value = 100 * probability;
  if (value >= 99.95) return value >= 100 ? "100 %" : "99.9 %";
  if (value < 0.1) return value < 0.01 ? "< 0.01 %" : `${value.toFixed(2)} %`;
  return `${value.toFixed(1)} %`;
}

/** Bits per character over a list of characters; null if it is empty. */
export function bitsPerCharacter(characters) {
  if (!characters.length) return null;
  return bits(characters.reduce((sum, each) => sum + each.nats, 0)) / characters.length;
}
