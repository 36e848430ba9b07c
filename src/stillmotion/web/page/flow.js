// Attention-map flow as heat over the video, as stillmotion.visualise.flow draws it.

import { make } from "./element.js";

/** Matplotlib's inferno from 0.25 to 0.95, in nine even steps. */
const HEAT = [
  ...["#57106e", "#7a1d6d", "#9d2964", "#c03a51", "#dd513a"],
  ...["#f1731d", "#fb9906", "#fac42a", "#f1ef75"],
];
const COVER = 0.9;

/** The scale as a gradient, for the legend. */
export const gradient = `linear-gradient(to right, ${HEAT.join(", ")})`;

export class Flow {
  /**
   * @param {object} told `times` in seconds; `height` and `width` of the grid of patches; `box`,
   *   the part of the frame that it covers; `strength`, a byte a patch, in base64.
   */
  constructor({ times, height, width, box, strength, ...words }) {
    Object.assign(this, { times, box, words, shown: null });
    this.strength = Uint8Array.from(atob(strength), (letter) => letter.charCodeAt(0));
    this.patches = make("canvas", { width, height });
  }

  /** Lays the flow of the frame nearest to a time over a canvas of the video's size. */
  paint(canvas, time) {
    const distance = (t) => Math.abs(this.times[t] - time);
    const nearest = this.times.reduce((best, _, t) => (distance(t) < distance(best) ? t : best), 0);
    if (this.shown === nearest) return;
    this.shown = nearest;
    const { width, height } = canvas;
    const size = this.patches.width * this.patches.height;
    const strengths = this.strength.subarray(nearest * size, (nearest + 1) * size);
    this.patches.getContext("2d").putImageData(heat(strengths, this.patches.width), 0, 0);
    const [left, top, wide, tall] = this.box;
    const context = canvas.getContext("2d");
    context.imageSmoothingQuality = "high";
    context.clearRect(0, 0, width, height);
    context.drawImage(this.patches, width * left, height * top, width * wide, height * tall);
  }
}

/** A pixel a patch; the stronger, the lighter and the less transparent. */
function heat(strengths, width) {
  const image = new ImageData(width, strengths.length / width);
  strengths.forEach((strength, i) => {
    image.data.set([...colour(strength / 255), 255 * COVER * Math.sqrt(strength / 255)], 4 * i);
  });
  return image;
}

function colour(share) {
  const place = share * (HEAT.length - 1);
  const low = Math.min(Math.floor(place), HEAT.length - 2);
  const [from, to] = [HEAT[low], HEAT[low + 1]].map(channels);
  return from.map((value, i) => value + (place - low) * (to[i] - value));
}

const channels = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
