/** Bits per character as a text goes on: a moving mean, and the mean so far. */

import { drawn, element } from "./dom.js";
import { bits } from "./surprise.js";

const [WIDTH, HEIGHT, LEFT, BOTTOM] = [640, 150, 34, 22];

export function lineChart(characters) {
  const values = characters.map((each) => bits(each.nats));
  const window = Math.max(8, Math.min(80, Math.round(values.length / 12)));
  const moving = means(values, window);
  const whole = means(values, values.length);
  const most = Math.max(2, Math.ceil(moving.reduce((high, value) => Math.max(high, value), 0)));
  const across = (place) => LEFT + ((WIDTH - LEFT) * (place + 1)) / values.length;
  const up = (value) => (HEIGHT - BOTTOM) * (1 - value / most) + 6;
  const every = Math.max(1, Math.floor(values.length / 640));
  const line = (list, name) => {
    const points = list.map((value, place) => `${across(place).toFixed(1)},${up(Math.min(value, most)).toFixed(1)}`);
    return drawn("polyline", { points: points.filter((_, place) => place % every === 0).join(" "), class: name });
  };
  const rule = (value) => drawn("line", { x1: LEFT, x2: WIDTH, y1: up(value), y2: up(value), class: "rule" });
  const mark = (text, x, y, anchor) => drawn("text", { x, y, "text-anchor": anchor }, text);
  const ticks = [0, most / 2, most].flatMap((value) => [rule(value), mark(String(value), LEFT - 6, up(value) + 4, "end")]);
  const ends = [mark("1", LEFT, HEIGHT + 4, "start"), mark(values.length.toLocaleString("en"), WIDTH, HEIGHT + 4, "end")];
  const mean = whole.at(-1).toFixed(2);
  const highest = moving.reduce((best, value, place) => (value > moving[best] ? place : best), 0);
  const label =
    `Bits per character along the text: ${mean} on average, ` +
    `at most ${moving[highest].toFixed(1)} around character ${(highest + 1).toLocaleString("en")}.`;
  const about = { viewBox: `0 0 ${WIDTH} ${HEIGHT + 8}`, role: "img", "aria-label": label };
  const chart = drawn("svg", about, ...ticks, ...ends, line(whole, "so-far"), line(moving, "moving"));
  const caption = element("figcaption", {}, element("i", { class: "moving" }), `mean of the last ${window} characters `);
  caption.append(element("i", { class: "so-far" }), `mean so far: ${mean}`);
  return element("figure", { class: "chart" }, element("h2", {}, "Bits per character"), chart, caption);
}

/** The mean of each value and those before it, at most `window` together. */
function means(values, window) {
  let sum = 0;
  return values.map((value, place) => {
    sum += value - (place >= window ? values[place - window] : 0);
    return sum / Math.min(place + 1, window);
  });
}
