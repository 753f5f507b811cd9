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
  #due = 0;
  #onShow;

  constructor(onShow) {
    this.#onShow = onShow;
  }

  push(items) {
    this.#waiting.push(...items);
    if (this.paused && this.#due) this.#show(this.#due);
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
    this.#due = 0;
    this.#stop();
  }

  pause() {
    this.paused = true;
    this.#stop();
  }

  resume() {
    this.paused = false;
    this.#due = 0;
    this.#start();
  }

  /** Show one character more, also while paused; if none has arrived yet, the next one that does. */
  step() {
    this.#due += 1;
    this.#show(this.#due);
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
    this.#due = Math.max(0, this.#due - shown.length);
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
