/** The address of the page: what is written after # holds everything that a text depends on. */

import { SAMPLING, SHARED, within } from "./settings.js";

/** The longest value that an address holds, in characters. */
export const LONGEST = 4000;

/** @returns {Map<string, string>} names and values, none of them longer than a page can use */
export function readAddress() {
  const pairs = [...new URLSearchParams(location.hash.slice(1))];
  return new Map(pairs.filter(([, value]) => value.length <= LONGEST));
}

/** @returns {string[]} the names of values in the address that are too long to be used */
export function tooLong() {
  const pairs = [...new URLSearchParams(location.hash.slice(1))];
  return pairs.filter(([, value]) => value.length > LONGEST).map(([name]) => name);
}

/** Replace the address, without a step in the browser's history. Values that are null or too long are left out. */
export function writeAddress(values) {
  const kept = Object.entries(values).filter(([, value]) => value !== null && String(value).length <= LONGEST);
  history.replaceState(null, "", `#${new URLSearchParams(kept)}`);
}

/** Settings from an address; those that it does not have, or that are no numbers, keep their values. */
export function settingsFrom(address, ranges, before, prefix = "") {
  const read = Object.entries(ranges).map(([name, range]) => [name, within(range, address.get(prefix + name))]);
  return { ...before, ...Object.fromEntries(read.filter(([, value]) => value !== undefined)) };
}

/** Settings for an address: those that are not as usual. */
export function settingsTo(settings, ranges, prefix = "") {
  const changed = Object.keys(ranges).filter((name) => settings[name] !== ranges[name].value);
  return Object.fromEntries(changed.map((name) => [prefix + name, settings[name]]));
}

export const sharedFrom = (address, before) => settingsFrom(address, SHARED, before);

export const samplingFrom = (address, before, prefix) => settingsFrom(address, SAMPLING, before, prefix);
