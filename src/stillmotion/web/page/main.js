// Which part of the page is shown, and how a question becomes an answer.
// The address says which: nothing after # is the question, `#job=NAME` a job; `#token=...` enters.

import { showAnswer } from "./answer.js";
import { prepareQuestion } from "./asking.js";
import { byId, enliven } from "./element.js";
import { Refusal, Service } from "./service.js";
import { counted } from "./words.js";

const PARTS = ["question", "waiting", "answer"];
const HOPELESS = [ // to ask again about such a video can only fail
  "unreadable", "decoder_died", "not_a_video", "too_large", "too_long", "too_many_frames",
  "too_many_pixels",
];
const service = new Service();
const sources = new Map(); // addresses of videos that were asked about here, by job
let models = new Map();
let question = null;
let asked = null; // the last question, to ask it again
let leaving = new AbortController();

async function start() {
  enter();
  try {
    const { limits } = await service.describe();
    const [listed, samples] = await Promise.all([service.models(), service.samples()]);
    models = new Map(listed.map((model) => [model.id, model]));
    const playable = (id) => service.sampleVideo(id);
    const told = { limits, models: listed, samples, playable, isFetched: Boolean(service.token) };
    question = prepareQuestion({ ...told, onAsk: ask, onTrouble: trouble });
    addEventListener("hashchange", route);
    await route();
  } catch (error) {
    report(error);
  }
}

/** A token in the address is remembered and leaves the address. */
function enter() {
  const token = new URLSearchParams(location.hash.slice(1)).get("token");
  if (!token) return;
  service.remember(token);
  history.replaceState(null, "", location.pathname);
}

/** Ends what is shown; the signal ends what comes. */
function leave() {
  leaving.abort();
  leaving = new AbortController();
  return leaving.signal;
}

function route() {
  const signal = leave();
  const id = new URLSearchParams(location.hash.slice(1)).get("job");
  return id ? follow(id, signal) : offer();
}

function offer() {
  if (asked) question.offerAgain(asked);
  return show("question", "What happens in your video?");
}

async function ask(video) {
  const signal = leave();
  const { file, sample, name } = video;
  asked = { file, sample, name };
  try {
    const source = file ? URL.createObjectURL(file) : await service.sampleVideo(sample);
    wait(name, { source, onCancel: () => leaving.abort() });
    progress(file ? "Sending the video" : "Asking", 0);
    const id = await service.ask(video, (share) => progress("Sending the video", share), signal);
    sources.set(id, source);
    location.hash = `job=${id}`;
  } catch (error) {
    if (leaving.signal === signal) report(error, name); // else another video came in its place
  }
}

/** Shows a job until it is done, then its answer. */
async function follow(id, signal) {
  const onCancel = () => {
    service.forget(id).catch((error) => report(error));
    location.hash = "";
  };
  const source = sources.get(id);
  try {
    for await (const job of service.follow(id, signal)) {
      if (job.state === "done") return await answer(job, signal);
      if (job.state === "failed" || job.state === "cancelled") throw refusal(job);
      wait(job.video?.name ?? (source ? asked.name : "A video"), { source, onCancel });
      progress(stage(job), job.state === "queued" ? null : job.progress);
    }
  } catch (error) {
    if (!signal.aborted) report(error, source && asked.name);
  }
}

function refusal({ state, error }) {
  return new Refusal(error?.code ?? state, error?.reason ?? "Someone cancelled this job.");
}

function stage({ state, ahead }) {
  if (state === "reading") return "Reading the video";
  if (state === "scoring") return "Asking the models";
  return ahead ? `Waiting: ${counted(ahead, "video")} before this one` : "Waiting for a turn";
}

async function answer(job, signal) {
  const source = sources.get(job.id) ?? (await service.jobVideo(job.id, signal));
  if (signal.aborted) return;
  show("answer", job.video.name);
  const loadFlow = (model) => service.flow(job.id, model);
  showAnswer(job, { source, models, loadFlow, signal });
}

/** Shows one part, names the window after it, and moves those who use the keyboard there. */
function show(part, title) {
  for (const each of PARTS) byId(each).hidden = each !== part;
  if (part !== "waiting") byId("preview").removeAttribute("src");
  byId("again").hidden = part !== "answer";
  document.title = `${title} - stillmotion`;
  if (part !== "question") byId("trouble").hidden = true;
  byId(`${part}-title`).focus({ preventScroll: true });
  scrollTo(0, 0);
}

function wait(name, { source, onCancel }) {
  byId("cancel").onclick = onCancel;
  if (!byId("waiting").hidden && byId("waiting-title").textContent === name) return;
  byId("waiting-title").textContent = name;
  byId("preview").hidden = !source;
  if (source) byId("preview").src = source;
  enliven(byId("preview"));
  show("waiting", name);
}

function progress(words, share) {
  const told = byId("stage");
  if (told.textContent !== words) told.textContent = words; // the same words would be read again
  if (share === null) byId("progress").removeAttribute("value");
  else byId("progress").value = share;
}

/**
 * What went wrong, and with which video, above the question; a missing token is asked for. Where
 * nobody answered, the address stays: to load it again is to go on.
 */
function report(error, name) {
  if (error.code === "token") return askToken(service.token ? error.message : "");
  if (error.code !== "silence") history.replaceState(null, "", location.pathname);
  if (HOPELESS.includes(error.code)) asked = null;
  leave();
  if (question) offer();
  if (error.name !== "AbortError") trouble(name ? `${name}: ${error.message}` : error.message);
  if (!(error instanceof Refusal) && error.name !== "AbortError") throw error;
}

function trouble(reason) {
  byId("trouble").textContent = reason;
  byId("trouble").hidden = false;
  scrollTo(0, 0);
}

function askToken(reason) {
  byId("entrance-reason").textContent = reason;
  byId("entrance").onclose = () => {
    if (!byId("token").value) return;
    service.remember(byId("token").value);
    location.reload();
  };
  byId("entrance").showModal();
}

start();
