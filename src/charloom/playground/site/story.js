/**
 * The texts that were written: a tree in which a branch leaves its parent at a character, and the way back.
 *
 * @typedef {import("./backend.js").Character & {model: string, number: number, used: number, settings: object, chosen?: boolean}} Written
 *   `model`: which wrote it; `number`: which random number drew it; `used`: how many it took; `settings`: what it was drawn with
 * @typedef {{id: number, prompt: string, parent: Branch | null, at: number, characters: Written[]}} Branch
 */

export class Story {
  /** @type {Branch[]} */
  branches = [];
  /** @type {Branch | null} */
  current = null;
  #past = [];
  #future = [];

  /** A text of its own. */
  begin(prompt) {
    return this.#grow({ prompt, parent: null, at: 0, characters: [] });
  }

  /** A branch that has the current text up to a place, and this character there. */
  fork(at, character) {
    const { prompt, characters } = this.current;
    return this.#grow({ prompt, parent: this.current, at, characters: [...characters.slice(0, at), character] });
  }

  /** A copy of a text from elsewhere. */
  adopt({ prompt, characters }) {
    return this.#grow({ prompt, parent: null, at: 0, characters: [...characters] });
  }

  show(branch) {
    if (this.current && branch !== this.current) {
      this.#past.push(this.current);
      this.#future = [];
    }
    this.current = branch;
    return branch;
  }

  /** Remove a branch; those that left it stay. Returns the one to show now. */
  remove(branch) {
    this.branches = this.branches.filter((each) => each !== branch);
    for (const each of this.branches) if (each.parent === branch) each.parent = branch.parent;
    const remains = (each) => each !== branch;
    [this.#past, this.#future] = [this.#past.filter(remains), this.#future.filter(remains)];
    if (this.current === branch) this.current = this.branches.at(-1) ?? null;
    return this.current;
  }

  get canUndo() {
    return this.#past.length > 0;
  }

  get canRedo() {
    return this.#future.length > 0;
  }

  undo() {
    return this.#move(this.#past, this.#future);
  }

  redo() {
    return this.#move(this.#future, this.#past);
  }

  #move(from, to) {
    if (from.length) {
      to.push(this.current);
      this.current = from.pop();
    }
    return this.current;
  }

  #grow(branch) {
    const id = 1 + this.branches.reduce((most, each) => Math.max(most, each.id), 0);
    const grown = { id, ...branch };
    this.branches.push(grown);
    return this.show(grown);
  }
}

export const textOf = (characters) => characters.map((each) => each.text).join("");

/** How many random numbers a text has used up. */
export function drawsAfter(characters) {
  const last = characters.at(-1);
  return last ? last.number + last.used : 0;
}
