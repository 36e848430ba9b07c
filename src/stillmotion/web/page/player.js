// The video, what lies over it, and one clock that everything else follows.

import { make } from "./element.js";
import { clock } from "./words.js";

/** Dispatches `time` whenever what is shown changes; `time` is in seconds. */
export class Player extends EventTarget {
  time = 0;

  /**
   * @param {HTMLElement} root is filled.
   * @param {object} video `name`, `seconds`, `width`, `height`, `fps`, as the service read them,
   *   and `source`, an address.
   */
  constructor(root, { name, seconds, width, height, fps, source }) {
    super();
    this.seconds = seconds;
    this.frame = fps > 0 ? 1 / fps : 0.04;
    this.video = make("video", {
      "aria-label": name, preload: "auto", playsinline: true, width, height,
      onplay: () => this.#played(), onpause: () => this.#played(), onseeked: () => this.#follow(),
      onloadedmetadata: () => this.#fit(),
      onerror: () => this.#unplayable(), onclick: () => this.toggle(),
    });
    this.video.muted = true; // models do not hear
    this.canvas = make("canvas", { width, height, "aria-hidden": "true", hidden: true });
    this.apology = make("p", { class: "note", hidden: true },
      "This browser cannot play the file. The models could read it: the scores below are theirs.");
    this.button = make("button", { type: "button", class: "first", onclick: () => this.toggle() });
    this.slider = make("input", {
      type: "range", min: 0, max: seconds, step: "any", value: 0, "aria-label": "Time in the video",
      oninput: () => this.seek(Number(this.slider.value)),
    });
    this.reading = make("span", { class: "reading" });
    this.screen = make("div", { class: "screen" }, this.video, this.canvas, this.apology);
    root.replaceChildren(
      this.screen, this.slider, make("div", { class: "controls" }, this.button, this.reading),
    );
    this.#played();
    this.video.src = source;
  }

  toggle() {
    if (this.button.disabled) return;
    if (!this.video.paused) this.video.pause();
    else this.#play();
  }

  #play() {
    if (this.time > this.seconds - this.frame) this.seek(0);
    this.video.play().catch(() => {}); // refused or left: the button still says "Play"
  }

  /** Goes to a time, or as near as the video allows. */
  seek(time) {
    this.#show(time);
    if (this.video.readyState) this.video.currentTime = this.time;
  }

  /** What the slider says to those who hear it, after the time. */
  describe(words) {
    const place = `${clock(this.time)} of ${clock(this.seconds)}`;
    this.slider.setAttribute("aria-valuetext", `${place}: ${words}`);
  }

  #played() {
    const { paused } = this.video;
    this.button.textContent = paused ? "Play" : "Pause";
    if (!paused) this.#run();
  }

  #run = () => {
    this.#follow();
    if (!this.video.paused) requestAnimationFrame(this.#run);
  };

  #follow() {
    if (this.video.readyState) this.#show(this.video.currentTime);
  }

  #show(time) {
    this.time = Math.min(Math.max(time, 0), this.seconds);
    this.slider.value = this.time;
    this.reading.textContent = `${clock(this.time)} / ${clock(this.seconds)}`;
    this.dispatchEvent(new Event("time"));
  }

  /** What lies over the video has its size, as the browser turns it upright. */
  #fit() {
    Object.assign(this.canvas, { width: this.video.videoWidth, height: this.video.videoHeight });
  }

  #unplayable() {
    this.apology.hidden = false;
    this.video.hidden = true;
    this.button.disabled = true;
  }
}
