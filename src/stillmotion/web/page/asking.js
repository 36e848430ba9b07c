// The question: a video, and who is asked about it.

import { byId, enliven, make } from "./element.js";
import { counted, duration, size } from "./words.js";

const CHECKED = 3;

/**
 * Fills the question's part of the page.
 * @param {object} options what the service told: `limits`, `models`, `samples`; `playable`, the
 *   address of a sample's video, and whether it `isFetched` whole for that; `onAsk`, told
 *   `{file | sample, name, models, window, stride}`; and `onTrouble`, told a reason.
 */
export function prepareQuestion(options) {
  const { limits, models, samples, playable, isFetched, onAsk, onTrouble } = options;
  const ask = (video) => {
    const boxes = [...byId("models").querySelectorAll("input:checked")];
    if (!boxes.length) return onTrouble("Choose at least one model: nobody is asked.");
    if (video.file?.size > limits.max_bytes) {
      const [given, possible] = [video.file.size, limits.max_bytes].map(size);
      return onTrouble(`${video.name} has ${given}; this service takes up to ${possible}.`);
    }
    const [window, stride] = ["window", "stride"].map((id) => byId(id).value);
    return onAsk({ ...video, models: boxes.map(({ value }) => value), window, stride });
  };
  const askFile = (file) => file && ask({ file, name: file.name });

  byId("limits").textContent = told(limits);
  const choices = models.map((model, i) => choice(model, { models, checked: i < CHECKED }));
  byId("models").replaceChildren(...choices);
  const shown = samples.map((each) => sample(each, { playable, isFetched, ask }));
  byId("samples").replaceChildren(...shown);
  byId("offers").hidden = samples.length === 0;
  byId("asking").addEventListener("submit", (event) => event.preventDefault());
  byId("file").addEventListener("change", ({ target }) => {
    askFile(target.files[0]);
    target.value = ""; // the same file may be chosen again
  });
  takeDrops(askFile);
  return { offerAgain: (video) => offerAgain(video, ask) };
}

function told({ max_bytes: bytes, max_seconds: seconds, max_pixels: pixels }) {
  const millions = Number((pixels / 1e6).toPrecision(2));
  return `Up to ${size(bytes)}, ${duration(seconds)} and ${millions} megapixels`;
}

function choice(model, { models, checked }) {
  const names = new Map(models.map(({ id, name }) => [id, name]));
  const shared = model.shares.filter((id) => id !== model.id).map((id) => names.get(id) ?? id);
  const notes = [
    ...(model.source ? [`From ${model.source}`] : []),
    `${model.method} on ${model.backbone}: `
      + `${counted(model.class_names.length, "class", "classes")}, `
      + `${counted(model.num_frames, "frame")} of ${model.image_size} pixels, `
      + `${counted(model.trained_parameters, "trained parameter")}`,
    ...(shared.length ? [`Shares its image model in memory with ${shared.join(", ")}`] : []),
  ];
  const told = { value: model.id, "aria-label": model.name };
  const box = make("input", { type: "checkbox", checked, ...told });
  const words = make("span", {}, model.name, ...notes.map((note) => make("small", {}, note)));
  return make("li", {}, make("label", { class: "switch" }, box, words));
}

function sample({ id, name, seconds }, { playable, isFetched, ask }) {
  const video = make("video", {
    loop: true, playsinline: true, preload: "metadata", "aria-hidden": "true",
    onloadedmetadata: () => (video.currentTime = seconds / 2), // telling, and painted
  });
  const load = async () => {
    const source = await playable(id).catch(() => ""); // it can be asked unseen
    if (source && !video.hasAttribute("src")) video.src = source;
  };
  if (!isFetched) load();
  const moves = () => {
    load();
    enliven(video);
  };
  const rests = () => video.pause();
  const button = make("button", {
    type: "button", class: "sample", onclick: () => ask({ sample: id, name }),
    onpointerenter: moves, onfocus: moves, onpointerleave: rests, onblur: rests,
  }, video, make("span", {}, name), make("small", {}, duration(seconds)));
  return make("li", {}, button);
}

/** The last video once more: other models may be chosen. */
function offerAgain(video, ask) {
  const again = make("button", { type: "button", onclick: () => ask(video) });
  again.textContent = `Ask again about ${video.name}`;
  byId("same").replaceChildren(again);
  byId("same").hidden = false;
}

/** Files may be dropped anywhere. */
function takeDrops(askFile) {
  const carries = ({ dataTransfer }) => dataTransfer?.types.includes("Files");
  const mark = (over) => document.body.classList.toggle("dropping", over);
  addEventListener("dragover", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    mark(true);
  });
  addEventListener("dragleave", ({ relatedTarget }) => relatedTarget || mark(false));
  addEventListener("drop", (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    mark(false);
    askFile(event.dataTransfer.files[0]);
  });
}
