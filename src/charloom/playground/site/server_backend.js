/** The models of a server, over HTTP: OpenAI's completions, and charloom's own routes. */

import { BackendError } from "./backend_error.js";
import { events } from "./event_stream.js";

const KEY = "charloom-key";
const CALM = 4000;
const SOON = 1000;
const LOST = "The server does not answer. What you wrote is still here; the page keeps trying to reach it.";
const CUT = "The server stopped in the middle of its answer; try again.";

export class ServerBackend {
  #askForKey;
  #reachable = true;
  #onChange = () => {};
  #timer = 0;

  /** @param {{askForKey: () => Promise<string | null>}} hooks  null: the person gave none */
  constructor({ askForKey }) {
    this.#askForKey = askForKey;
  }

  async models() {
    const list = await this.#json("v1/models");
    return list.data.filter((entry) => entry.charloom).map((entry) => ({ ...entry.charloom, id: entry.id }));
  }

  async write({ model, prompt, length, stop, top, greedy, temperature, ...rest }, { signal, onPiece }) {
    const body = { model, prompt, max_tokens: length, temperature: greedy ? 0 : temperature, ...rest };
    const streaming = { stream: true, stream_options: { include_usage: true }, logprobs: top };
    if (stop.length) body.stop = stop;
    let reason = "length";
    await this.#stream("v1/completions", { ...body, ...streaming }, signal, ({ choices, charloom }) => {
      const choice = choices?.[0];
      if (choice?.finish_reason) reason = charloom?.stop_reason ?? choice.finish_reason;
      else if (charloom?.stop_reason) reason = charloom.stop_reason;
      if (choice?.text) onPiece({ text: choice.text, characters: characters(choice, top), draws: charloom?.draws ?? 0 });
    });
    return reason;
  }

  score({ model, text, top }, { signal, onPiece }) {
    return this.#stream("v1/score", { model, text, top, stream: true }, signal, (list) => onPiece(list));
  }

  async activity({ model, text, layer, units }, { signal } = {}) {
    const { values, ...answer } = await this.#json("v1/activity", { model, text, layer, units }, signal);
    return { units: answer.units, values: values.map((row) => Float32Array.from(row)) };
  }

  async complete({ model, text, count, kind }, { signal } = {}) {
    return (await this.#json("v1/complete", { model, text, count, kind }, signal)).completions;
  }

  async correct({ model, text }, { signal } = {}) {
    return (await this.#json("v1/correct", { model, text }, signal)).corrections;
  }

  async classify({ model, text }, { signal } = {}) {
    return (await this.#json("v1/classify", { model, text }, signal)).predictions[0];
  }

  /** Say whenever the server is lost or found again; look after it from now on. */
  watch(onChange) {
    this.#onChange = onChange;
    this.#look();
  }

  async #look() {
    clearTimeout(this.#timer);
    if (document.visibilityState === "visible") {
      const answer = await fetch("health", { cache: "no-store", signal: AbortSignal.timeout(CALM) }).catch(() => null);
      this.#found(answer !== null && answer.status < 500);
    }
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#look(), this.#reachable ? CALM : SOON);
  }

  #found(reachable) {
    if (reachable === this.#reachable) return;
    this.#reachable = reachable;
    this.#onChange(reachable);
    if (!reachable) this.#timer = setTimeout(() => this.#look(), SOON);
  }

  async #json(path, body, signal) {
    const response = await this.#answer(path, body, signal);
    return this.#unlessLost(() => response.json(), signal);
  }

  async #stream(path, body, signal, onData) {
    const response = await this.#answer(path, body, signal);
    const stream = events(response);
    for (;;) {
      const { value, done } = await this.#unlessLost(() => stream.next(), signal);
      if (done && value) return;
      if (done) throw new BackendError(CUT);
      if (value.error) throw new BackendError(sentence(value.error.message));
      onData(value);
    }
  }

  /** The response to a request, with the key if there is one; a person is asked for it when the server wants one. */
  async #answer(path, body, signal) {
    for (;;) {
      const key = sessionStorage.getItem(KEY);
      const headers = key ? { Authorization: `Bearer ${key}` } : {};
      const post = { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
      const request = body ? { ...post, headers: { ...post.headers, ...headers } } : { headers };
      const response = await this.#unlessLost(() => fetch(path, { ...request, signal }), signal);
      if (response.ok) return response;
      const message = (await response.json().catch(() => null))?.error?.message;
      const typed = response.status === 401 ? await this.#askForKey() : null;
      if (typed === null) throw new BackendError(sentence(message ?? `the server answered ${response.status}`));
      sessionStorage.setItem(KEY, typed);
    }
  }

  async #unlessLost(promised, signal) {
    try {
      const answer = await promised();
      this.#found(true);
      return answer;
    } catch (error) {
      if (signal?.aborted) throw new DOMException("given up", "AbortError");
      if (error instanceof BackendError) throw error;
      if (error instanceof SyntaxError) throw new BackendError(CUT);
      this.#found(false);
      throw new BackendError(LOST, { lost: true });
    }
  }
}

/** A message as a sentence: a capital at its front, a full stop at its end. */
function sentence(message) {
  const text = String(message);
  return text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

/** The characters of a chunk. Symbols that are bytes are put together: each says where in the text it belongs. */
function characters({ text, logprobs }, top) {
  const points = [...text];
  const { tokens = [], token_logprobs = [], top_logprobs = [], text_offset = [] } = logprobs ?? {};
  const whole = tokens.length === points.length;
  const made = points.map((point) => ({ text: point, nats: 0, top: [] }));
  tokens.forEach((_, place) => {
    const character = made[whole ? place : text_offset[place] - text_offset[0]];
    if (!character) return; // the end of the text
    character.nats -= token_logprobs[place];
    if (!character.top.length) character.top = mostProbable(top_logprobs[place] ?? {}, top);
  });
  return made;
}

/** An object does not keep the order of keys such as "1", so they are sorted again. */
function mostProbable(logarithms, top) {
  const pairs = Object.entries(logarithms).map(([symbol, value]) => [symbol, Math.exp(value)]);
  return pairs.sort((first, second) => second[1] - first[1]).slice(0, top);
}
