// What the models said, beside the video, on its clock.

import { chart, ink } from "./chart.js";
import { byId, make } from "./element.js";
import { Overlay } from "./overlay.js";
import { Player } from "./player.js";
import { inks, scoresAt } from "./track.js";
import { clock, counted, duration, percent } from "./words.js";

const MOVES = { ArrowLeft: -1, ArrowRight: 1 };

/**
 * Fills the answer's part of the page.
 * @param {object} job that is done.
 * @param {object} options `source` of the video, `models` by their names, `loadFlow` of a model's
 *   name, and `signal`, which ends it.
 */
export function showAnswer(job, { source, models, loadFlow, signal }) {
  const { video, results } = job;
  const player = new Player(byId("player"), { ...video, source });
  const colours = inks(results);
  const flowing = results.map(({ model }) => models.get(model)).filter((model) => model.has_flow);
  const overlay = new Overlay(byId("overlay"), { player, models: flowing, load: loadFlow });
  const readers = results.map((result) => row(result, { player, colours, name: models.get(result.model).name }));

  byId("answer-title").textContent = video.name;
  byId("facts").textContent = facts(video);
  byId("flow-key").hidden = flowing.length === 0;
  byId("verdicts").replaceChildren(...results.flatMap((result) => verdict(result, models.get(result.model).name)));
  byId("tracks").replaceChildren(...readers.map(({ element }) => element));
  byId("tables").replaceChildren(...results.map((result) => table(result, models.get(result.model).name)));
  byId("save").href = URL.createObjectURL(new Blob([JSON.stringify(job, null, 2)], { type: "application/json" }));

  const follow = () => {
    byId("answer").style.setProperty("--time", player.time / player.seconds);
    player.describe(readers.map(({ read }) => read(player.time)).join(", "));
  };
  player.addEventListener("time", follow);
  player.seek(0);
  document.addEventListener("keydown", (event) => press(event, { player, overlay }), { signal });
  signal.addEventListener("abort", () => player.video.pause());
}

const facts = ({ seconds, width, height, fps }) =>
  `${duration(seconds)}, ${width} × ${height}, ${counted(Number(fps.toFixed(2)), "frame")} a second`;

function verdict({ answer, top, seconds_of_work: work }, name) {
  const [first, ...others] = top;
  const rest = others.slice(0, 2).map(({ label, probability }) => `${label} ${percent(probability)}`);
  const note = [`${first.label} ${percent(first.probability)}`, ...rest].join(", ");
  return [
    make("dt", {}, name),
    make("dd", {}, make("strong", {}, answer), make("small", {}, `${note}; ${duration(work)} of work`)),
  ];
}

/** A model's chart and, beside it, its classes at the moment; `read` moves them. */
function row({ track }, { player, colours, name }) {
  const order = [...track.labels.keys()].sort((a, b) => colours.get(track.labels[a]) - colours.get(track.labels[b]));
  const bars = order.map((k) => {
    const value = make("span", { class: "value" });
    const colour = ink(colours.get(track.labels[k]));
    const bar = make("li", { class: colour }, make("span", { class: "label" }, track.labels[k]), value, make("span", { class: "bar" }));
    return { k, bar, value };
  });
  const read = (time) => {
    const scores = scoresAt(track, time);
    const best = scores.indexOf(Math.max(...scores));
    for (const { k, bar, value } of bars) {
      bar.style.setProperty("--share", scores[k]);
      bar.classList.toggle("best", k === best);
      value.textContent = percent(scores[k]);
    }
    return `${name} ${track.labels[best]} ${percent(scores[best])}`;
  };
  const drawn = chart({ track }, { seconds: player.seconds, inks: colours, name, onSeek: (time) => player.seek(time) });
  const list = make("ul", { class: "bars", "aria-label": `${name}, at this moment` }, ...bars.map(({ bar }) => bar));
  return { read, element: make("section", { class: "row", "aria-label": name }, make("h3", {}, name), drawn, list) };
}

/** The same as the chart, for those who would rather read it. */
function table({ track }, name) {
  const rows = track.probabilities.map((scores, i) => {
    const best = Math.max(...scores);
    const label = track.labels[scores.indexOf(best)];
    const place = `${clock(track.starts[i])} to ${clock(track.stops[i])}`;
    return make("tr", {}, make("th", { scope: "row" }, place), make("td", {}, label), make("td", {}, percent(best)));
  });
  const heads = ["Window", "Most probable", "Probability"].map((word) => make("th", { scope: "col" }, word));
  const body = make("table", {}, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
  const region = make("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": `Windows of ${name}` }, body);
  return make("details", {}, make("summary", {}, `${name} as a table of ${counted(rows.length, "window")}`), region);
}

function press(event, { player, overlay }) {
  if (event.ctrlKey || event.altKey || event.metaKey || event.target.closest("select, dialog")) return;
  if (event.key in MOVES) player.seek(player.time + MOVES[event.key] * (event.shiftKey ? 1 : player.frame));
  else if (event.key === " " && !event.target.closest("button, summary, a, [type=checkbox]")) player.toggle();
  else if (event.key === "f") overlay.toggle();
  else return;
  event.preventDefault();
}
