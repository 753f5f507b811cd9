/** What went wrong, as a sentence for people. */
export class BackendError extends Error {
  /** @param {string} sentence @param {{lost?: boolean}} [about]  lost: the server did not answer at all */
  constructor(sentence, { lost = false } = {}) {
    super(sentence);
    this.name = "BackendError";
    this.lost = lost;
  }
}
