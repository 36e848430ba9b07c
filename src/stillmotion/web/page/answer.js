// What the models said, beside the video, on its clock.

import { byId, make } from "./element.js";
import { Overlay } from "./overlay.js";
import { Player } from "./player.js";
import { modelRow, modelTable } from "./row.js";
import { inks } from "./track.js";
import { counted, duration, percent } from "./words.js";

const MOVES = { ArrowLeft: -1, ArrowRight: 1 };
const TAKES_SPACE = "button, summary, a, [type=checkbox]";

/**
 * Fills the answer's part of the page.
 * @param {object} job that is done.
 * @param {object} options `source`, the video's address; `models` by their ids; `loadFlow`, which
 *   gets the flow of a model's id; and `signal`, which ends it.
 */
export function showAnswer(job, { source, models, loadFlow, signal }) {
  const { video, results } = job;
  const asked = results.map(({ model }) => models.get(model));
  const player = new Player(byId("player"), { ...video, source });
  const flowing = asked.filter((model) => model.has_flow);
  const overlay = new Overlay(byId("overlay"), { player, models: flowing, load: loadFlow });
  byId("answer-title").textContent = video.name;
  byId("facts").textContent = facts(video);
  byId("flow-key").hidden = flowing.length === 0;
  byId("verdicts").replaceChildren(...results.flatMap((each, i) => verdict(each, asked[i].name)));
  const tables = results.map(({ track }, i) => modelTable(track, asked[i].name));
  byId("tables").replaceChildren(...tables);
  byId("save").href = address(job, signal);
  follow(player, rows(results, { player, names: asked.map(({ name }) => name) }));
  const press = (event) => pressed(event, { player, overlay });
  document.addEventListener("keydown", press, { signal });
  signal.addEventListener("abort", () => player.video.pause());
}

function rows(results, { player, names }) {
  const onSeek = (time) => player.seek(time);
  const colours = inks(results.map(({ track }) => track));
  const options = { inks: colours, seconds: player.seconds, onSeek };
  return results.map(({ track }, i) => modelRow(track, { ...options, name: names[i] }));
}

/** The video's clock moves everything: the cursors by one property of their common parent. */
function follow(player, rows) {
  byId("tracks").replaceChildren(...rows.map(({ element }) => element));
  player.addEventListener("time", () => {
    byId("answer").style.setProperty("--time", player.time / player.seconds);
    player.describe(rows.map(({ read }) => read(player.time)).join(", "));
  });
  player.seek(0);
}

function facts({ seconds, width, height, fps }) {
  const rate = counted(Number(fps.toFixed(2)), "frame");
  return `${duration(seconds)}, ${width} × ${height}, ${rate} a second`;
}

function verdict({ answer, top, seconds_of_work: work }, name) {
  const shares = top.map(({ label, probability }) => `${label} ${percent(probability)}`);
  const note = `${shares.slice(0, 3).join(", ")}; ${duration(work)} of work`;
  const words = make("dd", {}, make("strong", {}, answer), make("small", {}, note));
  return [make("dt", {}, name), words];
}

function address(job, signal) {
  const text = JSON.stringify(job, null, 2);
  const made = URL.createObjectURL(new Blob([text], { type: "application/json" }));
  signal.addEventListener("abort", () => URL.revokeObjectURL(made));
  return made;
}

function pressed(event, { player, overlay }) {
  const { key, target, shiftKey } = event;
  if (event.ctrlKey || event.altKey || event.metaKey || target.closest("select, dialog")) return;
  if (key in MOVES) player.seek(player.time + MOVES[key] * (shiftKey ? 1 : player.frame));
  else if (key === " " && !target.closest(TAKES_SPACE)) player.toggle();
  else if (key === "f") overlay.toggle();
  else return;
  event.preventDefault();
}
