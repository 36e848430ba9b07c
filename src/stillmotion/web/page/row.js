// One model: its chart, its classes at the moment beside it, and the same as a table.

import { chart, ink } from "./chart.js";
import { make } from "./element.js";
import { greatest, scoresAt } from "./track.js";
import { clock, counted, percent } from "./words.js";

/**
 * @param {object} track of the model.
 * @param {object} options `name` of the model, `inks` of labels, `seconds` of the video, `onSeek`.
 * @returns {{element: HTMLElement, read: (time: number) => string}} `read` moves the bars to a
 *   time, and says in words what they show.
 */
export function modelRow(track, { name, inks, seconds, onSeek }) {
  const number = (k) => inks.get(track.labels[k]);
  const order = [...track.labels.keys()].sort((a, b) => number(a) - number(b));
  const bars = new Map(order.map((k) => [k, bar(track.labels[k], number(k))]));
  const read = (time) => {
    const scores = scoresAt(track, time);
    const best = greatest(scores);
    for (const [k, { element, value }] of bars) {
      element.style.setProperty("--share", scores[k]);
      element.classList.toggle("best", k === best);
      value.textContent = percent(scores[k]);
    }
    return `${name} ${track.labels[best]} ${percent(scores[best])}`;
  };
  const items = [...bars.values()].map(({ element }) => element);
  const list = make("ul", { class: "bars", "aria-label": `${name}, at this moment` }, ...items);
  const drawn = chart(track, { seconds, inks, name, onSeek });
  const parts = [make("h3", {}, name), drawn, list];
  return { read, element: make("section", { class: "row", "aria-label": name }, ...parts) };
}

function bar(label, number) {
  const value = make("span", { class: "value" });
  const words = make("span", { class: "label", title: label }, label);
  const drawn = make("span", { class: "bar" });
  return { value, element: make("li", { class: ink(number) }, words, value, drawn) };
}

/** A row a window, for those who would rather read. */
export function modelTable(track, name) {
  const rows = track.probabilities.map((scores, i) => {
    const best = greatest(scores);
    return make("tr", {},
      make("th", { scope: "row" }, `${clock(track.starts[i])} to ${clock(track.stops[i])}`),
      make("td", {}, track.labels[best]),
      make("td", {}, percent(scores[best])));
  });
  const words = ["Window", "Most probable", "Probability"];
  const head = make("tr", {}, ...words.map((word) => make("th", { scope: "col" }, word)));
  const table = make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
  const label = `Windows of ${name}`;
  return make("details", {},
    make("summary", {}, `${name} as a table of ${counted(rows.length, "window")}`),
    make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": label }, table));
}
