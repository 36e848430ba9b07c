// One model's scores over time: a ribbon of what is most probable, and a line for each class.

import { draw, make } from "./element.js";
import { centres, stretches, ticks } from "./track.js";
import { clock } from "./words.js";

const GRID = [0, 0.5, 1];

/**
 * @param {object} track of the model.
 * @param {object} options `seconds` of the video, `inks` of labels, `name` of the model, and
 *   `onSeek`, told a time that was pressed.
 */
export function chart(track, { seconds, inks, name, onSeek }) {
  const parts = stretches(track, seconds);
  const plot = make(
    "div",
    { class: "plot", role: "img", "aria-label": told(name, parts) },
    ribbon(parts, { seconds, inks }),
    lines(track, { seconds, inks }),
    ...GRID.map((share) => make("span", { class: "level", "--share": share }, `${100 * share}%`)),
    make("div", { class: "cursor" }),
  );
  const seek = ({ clientX, buttons }) => {
    if (!buttons) return;
    const { left, width } = plot.getBoundingClientRect();
    onSeek(seconds * Math.min(Math.max((clientX - left) / width, 0), 1));
  };
  plot.addEventListener("pointerdown", (event) => {
    plot.setPointerCapture(event.pointerId);
    seek(event);
  });
  plot.addEventListener("pointermove", seek);
  return make("div", { class: "chart" }, plot, axis(seconds));
}

function ribbon(parts, { seconds, inks }) {
  const spans = parts.map(({ label, start, stop }) => {
    const place = { "--start": start / seconds, "--stop": stop / seconds };
    return make("span", { class: ink(inks.get(label)), title: label, ...place }, label);
  });
  return make("div", { class: "ribbon" }, ...spans);
}

function lines(track, { seconds, inks }) {
  const times = [0, ...centres(track), seconds];
  const rows = [track.probabilities[0], ...track.probabilities, track.probabilities.at(-1)];
  const curves = track.labels.map((label, k) => {
    const points = times.map((time, i) => `${time},${1 - rows[i][k]}`).join(" ");
    return draw("polyline", { class: ink(inks.get(label)), points });
  });
  const grid = GRID.map((y) => draw("line", { x1: 0, x2: seconds, y1: y, y2: y }));
  const box = { viewBox: `0 0 ${seconds} 1`, preserveAspectRatio: "none", "aria-hidden": "true" };
  return draw("svg", box, ...grid, ...curves.reverse());
}

function axis(seconds) {
  const marks = ticks(seconds).map((time) =>
    make("span", { "--start": time / seconds }, clock(time).replace(/\.0$/, "")),
  );
  return make("div", { class: "axis", "aria-hidden": "true" }, ...marks);
}

/** What the chart shows, in a sentence. */
function told(name, parts) {
  const words = parts.map(({ label, start }) => `${label} from ${clock(start)}`);
  return `Most probable to ${name}: ${words.join(", ")}.`;
}

/** The classes of a number's ink: four colours, told apart again by dashes when they repeat. */
export const ink = (number) => `ink-${number % 4} dash-${Math.min(Math.floor(number / 4), 3)}`;
