// The service's API, as functions. Addresses are relative: the page also works below a path.

/** What the service would not or could not do, in its own words. */
export class Refusal extends Error {
  constructor(code, reason) {
    super(reason);
    this.code = code;
  }
}

const SILENCE = "The service does not answer. Is it still running?";
const PATIENCE = [500, 1000, 2000, 4000, 8000, 15000]; // milliseconds between lost requests
const FORBIDDEN = "The service did not take this token.";

export class Service {
  #samples = new Map(); // addresses of samples' videos, each fetched once and shown again
  token = sessionStorage.getItem("stillmotion-token");

  /** Enter with this token from now on, until the window closes. */
  remember(token) {
    this.token = token;
    sessionStorage.setItem("stillmotion-token", token);
  }

  describe = () => this.#json("api/service");
  models = () => this.#json("api/models");
  samples = () => this.#json("api/samples");
  job = (id) => this.#json(`api/jobs/${id}`);
  flow = (id, model) => this.#json(`api/jobs/${id}/flow?model=${encodeURIComponent(model)}`);
  forget = (id) => this.#answer(`api/jobs/${id}`, { method: "DELETE" });

  /** The address of a sample's video; the page keeps it. */
  async sampleVideo(id) {
    if (!this.#samples.has(id)) {
      this.#samples.set(id, this.#playable(`api/samples/${encodeURIComponent(id)}/video`));
    }
    return this.#samples.get(id).catch((error) => {
      this.#samples.delete(id);
      throw error;
    });
  }

  /** The address of a job's video, until someone leaves it. */
  async jobVideo(id, signal) {
    const address = await this.#playable(`api/jobs/${id}/video`);
    const release = () => URL.revokeObjectURL(address);
    if (signal.aborted) release();
    signal.addEventListener("abort", release);
    return address;
  }

  /** An address that a video element can play: elements send no token, so then it is fetched. */
  async #playable(path) {
    if (!this.token) return path;
    return URL.createObjectURL(await heard((await this.#answer(path)).blob()));
  }

  /**
   * Asks models about a file or a sample.
   * @param {object} question `{file}` or `{sample}`, `models`, and perhaps `window`, `stride`.
   * @param {(share: number) => void} onSent told how much of the file is sent, in [0, 1].
   * @param {AbortSignal} signal stops the sending.
   * @returns {Promise<string>} the job's name.
   */
  ask({ file, sample, models, window, stride }, onSent, signal) {
    const query = new URLSearchParams({ models: models.join(","), flow: "true" });
    for (const [name, value] of Object.entries({ sample, window, stride })) {
      if (value) query.set(name, value);
    }
    return new Promise((resolve, reject) => {
      const request = new XMLHttpRequest(); // fetch does not tell how much is sent
      request.open("POST", `api/jobs?${query}`);
      for (const [name, value] of Object.entries(this.#headers())) {
        request.setRequestHeader(name, value);
      }
      if (file) {
        request.setRequestHeader("Content-Type", "application/octet-stream");
        request.setRequestHeader("X-File-Name", encodeURIComponent(file.name));
      }
      request.responseType = "json";
      request.upload.onprogress = ({ loaded, total }) => onSent(loaded / total);
      request.onload = () => {
        if (request.status === 202) resolve(request.response.id);
        else reject(refusal(request.status, request.response));
      };
      request.onerror = () => reject(new Refusal("silence", SILENCE));
      request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
      signal.addEventListener("abort", () => request.abort());
      request.send(file ?? null);
    });
  }

  /** The job again and again, until it ends one way or another; a lost request loses nothing. */
  async *follow(id, signal) {
    for (let pause = 150; !signal.aborted; pause = Math.min(1.3 * pause, 1000)) {
      const job = await this.#patiently(() => this.job(id), signal);
      if (signal.aborted) return;
      yield job;
      if (["done", "failed", "cancelled"].includes(job.state)) return;
      await wait(pause);
    }
  }

  /** Asks again, for about half a minute, where nobody answers. */
  async #patiently(ask, signal) {
    for (const pause of PATIENCE) {
      try {
        return await ask();
      } catch (error) {
        if (error.code !== "silence" || signal.aborted) throw error;
      }
      await wait(pause);
    }
    return ask();
  }

  #headers() {
    return this.token ? { Authorization: `Bearer ${this.token}` } : {};
  }

  async #answer(path, options = {}) {
    const response = await heard(fetch(path, { ...options, headers: this.#headers() }));
    if (!response.ok) throw refusal(response.status, await response.json().catch(() => null));
    return response;
  }

  async #json(path) {
    return heard((await this.#answer(path)).json());
  }
}

/** What was asked for; lost on its way, in the middle too, it is silence. */
function heard(asked) {
  return asked.catch(() => {
    throw new Refusal("silence", SILENCE);
  });
}

function wait(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

function refusal(status, told) {
  if (status === 401) return new Refusal("token", FORBIDDEN);
  const { code, reason } = told?.error ?? {};
  return new Refusal(code ?? "unknown", reason ?? `The service answered with status ${status}.`);
}
