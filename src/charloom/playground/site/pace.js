/** Shows what has arrived at a readable pace: a buffer that is emptied character by character. */

const TICK = 30;

export class Pace {
  paused = false;
  /** Characters a second. */
  speed = 30;
  #waiting = [];
  #owed = 0;
  #last = 0;
  #timer = 0;
  #whenEmpty = null;
  #onShow;

  constructor(onShow) {
    this.#onShow = onShow;
  }

  push(items) {
    this.#waiting.push(...items);
    this.#start();
  }

  /** Call `act` when everything that has arrived is shown. */
  whenEmpty(act) {
    this.#whenEmpty = act;
    this.#start();
  }

  clear() {
    this.#waiting = [];
    this.#whenEmpty = null;
    this.#stop();
  }

  pause() {
    this.paused = true;
    this.#stop();
  }

  resume() {
    this.paused = false;
    this.#start();
  }

  /** Show one character more, also while paused. Returns whether there was one. */
  step() {
    const shown = this.#waiting.length > 0;
    this.#show(1);
    return shown;
  }

  #start() {
    if (this.#timer || this.paused) return;
    [this.#last, this.#owed] = [performance.now(), 1];
    this.#timer = setInterval(() => this.#tick(), TICK);
  }

  #stop() {
    clearInterval(this.#timer);
    this.#timer = 0;
  }

  #tick() {
    const now = performance.now();
    this.#owed = Math.min(this.#owed + ((now - this.#last) / 1000) * this.speed, Math.max(1, this.#waiting.length));
    this.#last = now;
    this.#show(Math.floor(this.#owed));
  }

  #show(count) {
    const shown = this.#waiting.splice(0, count);
    this.#owed -= shown.length;
    if (shown.length) this.#onShow(shown);
    if (this.#waiting.length) return;
    const act = this.#whenEmpty;
    this.#whenEmpty = null;
    if (act) {
      this.#stop();
      act();
    }
  }
}
