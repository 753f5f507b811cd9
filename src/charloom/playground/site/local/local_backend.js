/** The model of an exported folder: the network runs in a worker of this page, and nothing is asked of a server. */

import { BackendError } from "../backend_error.js";

const BROKEN = "The network in this page could not be started; a newer browser, or loading the page again, may help.";

export class LocalBackend {
  #worker = null;
  #waiting = new Map();
  #calls = 0;

  async models() {
    const about = await fetch(new URL("../export.json", import.meta.url)).catch(() => null);
    const { model = "model" } = about?.ok ? await about.json().catch(() => ({})) : {};
    return this.#ask("models", { id: model });
  }

  write(request, listeners) {
    return this.#ask("write", request, listeners);
  }

  async score(request, listeners) {
    await this.#ask("score", request, listeners);
  }

  activity(request, listeners) {
    return this.#ask("activity", request, listeners);
  }

  /** Nothing can be lost: once the page is there, so is its network. */
  watch() {}

  /** Stop the worker; what is being asked fails. */
  close() {
    this.#fail(new BackendError(BROKEN));
  }

  #ask(call, request, { signal, onPiece } = {}) {
    return new Promise((resolve, reject) => {
      const givenUp = new DOMException("given up", "AbortError");
      if (signal?.aborted) {
        reject(givenUp);
        return;
      }
      this.#worker ??= this.#start();
      const id = (this.#calls += 1);
      const cancel = () => {
        this.#worker?.postMessage({ id, call: "cancel" });
        settle(reject)(givenUp);
      };
      const settle = (outcome) => (value) => {
        signal?.removeEventListener("abort", cancel);
        this.#waiting.delete(id);
        outcome(value);
      };
      signal?.addEventListener("abort", cancel);
      this.#waiting.set(id, { onPiece, resolve: settle(resolve), reject: settle(reject) });
      this.#worker.postMessage({ id, call, request });
    });
  }

  #start() {
    const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
    worker.onmessage = ({ data: { id, piece, answer, error } }) => {
      const asked = this.#waiting.get(id);
      if (!asked) return;
      if (error !== undefined) asked.reject(new BackendError(error));
      else if (piece !== undefined) asked.onPiece?.(piece);
      else asked.resolve(answer);
    };
    worker.onerror = worker.onmessageerror = () => this.#fail(new BackendError(BROKEN));
    return worker;
  }

  #fail(error) {
    this.#worker?.terminate();
    this.#worker = null;
    for (const asked of [...this.#waiting.values()]) asked.reject(error);
  }
}
