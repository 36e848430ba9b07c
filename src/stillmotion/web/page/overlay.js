// The switch that lays a model's attention-map flow over the video.

import { make } from "./element.js";
import { Flow, gradient } from "./flow.js";

export class Overlay {
  /**
   * @param {HTMLElement} root is filled, or emptied where no model has flow.
   * @param {object} options `player`, `models` that have flow, and `load`, which gets a model's.
   */
  constructor(root, { player, models, load }) {
    this.player = player;
    this.load = load;
    this.flows = new Map();
    this.name = make("p", { class: "note" });
    this.check = make("input", { type: "checkbox", onchange: () => this.#change() });
    this.choice = make("select", { "aria-label": "Whose flow", onchange: () => this.#change() },
      ...models.map(({ id, name }) => make("option", { value: id }, name)));
    this.legend = make("div", { class: "legend", hidden: true },
      make("span", { class: "scale", "--scale": gradient, "aria-hidden": "true" }),
      make("span", {}, "little"), make("span", {}, "most"));
    this.choice.hidden = models.length < 2;
    const words = make("label", { class: "switch" }, this.check, "Attention-map flow");
    root.replaceChildren(...(models.length ? [words, this.choice, this.legend, this.name] : []));
    player.addEventListener("time", () => this.#paint());
    this.toggle = () => models.length && this.check.click();
  }

  async #change() {
    const model = this.choice.value;
    this.legend.hidden = !this.check.checked;
    this.name.textContent = "";
    if (this.check.checked && !this.flows.has(model)) await this.#fetch(model);
    const flow = this.check.checked ? this.flows.get(model) : undefined;
    if (model !== this.choice.value) return; // another was chosen meanwhile
    this.flow = flow;
    this.player.canvas.hidden = !flow;
    this.player.screen.classList.toggle("flowing", Boolean(flow));
    if (!flow) return;
    flow.shown = null; // the canvas may hold another model's
    this.name.textContent = told(flow.words);
    this.#paint();
  }

  async #fetch(model) {
    try {
      this.flows.set(model, new Flow(await this.load(model)));
    } catch (refusal) {
      this.check.checked = false;
      this.legend.hidden = true;
      this.name.textContent = refusal.message;
    }
  }

  #paint() {
    this.flow?.paint(this.player.canvas, this.player.time);
  }
}

function told({ block, read }) {
  const seen = `How much the attention to each place changes from frame to frame, in ${block}`;
  return read ? `${seen}, whose adapter reads it.` : `${seen}. The model does not read it.`;
}
