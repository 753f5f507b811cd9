/** The network at work, apart from the page: several requests take turns, and each can be given up at any time. */

import { BackendError } from "../backend_error.js";
import { Lately } from "./lately.js";
import { loadModel } from "./language_model.js";
import { activity, score } from "./scoring.js";
import { checked } from "./request.js";
import { write } from "./writing.js";

/** Milliseconds of work between two looks at the messages. */
const TURN = 15;

const lately = new Lately();
const running = new Set();
let model = null;

const CALLS = {
  models: async ({ id }) => [(await loaded()).describe(id)],
  write: (request, id) => pieces(id, (ready) => write(ready, checked(request), lately), joined),
  score: (request, id) => pieces(id, (ready) => score(ready, request), (lists) => lists.flat()),
  activity: (request, id) => pieces(id, (ready) => activity(ready, request), () => null),
};

onmessage = async ({ data: { id, call, request } }) => {
  if (call === "cancel") {
    running.delete(id);
    return;
  }
  running.add(id);
  try {
    postMessage({ id, answer: await CALLS[call](request, id) });
  } catch (error) {
    const unforeseen = `The network in this page stopped: ${error.message}; load the page again.`;
    postMessage({ id, error: error instanceof BackendError ? error.message : unforeseen });
  } finally {
    running.delete(id);
  }
};

/** The model, loaded once; what failed is tried again at the next request. */
function loaded() {
  model ??= loadModel(new URL("../model/", import.meta.url)).catch((error) => {
    model = null;
    throw error;
  });
  return model;
}

/** Run a generator in turns: what it yields within one is sent as one piece; what it returns is the answer. */
async function pieces(id, start, join) {
  const work = start(await loaded());
  for (;;) {
    const made = [];
    let next = { done: false };
    for (const end = performance.now() + TURN; !next.done && performance.now() < end; ) {
      next = work.next();
      if (!next.done && next.value) made.push(next.value);
    }
    const piece = made.length ? join(made) : null;
    if (!running.has(id)) return null;
    if (piece) postMessage({ id, piece });
    if (next.done) return next.value ?? null;
    await messagesTaken();
  }
}

/** Pieces of a text as one. */
function joined(made) {
  const text = made.map((piece) => piece.text).join("");
  return { text, characters: made.flatMap((piece) => piece.characters), draws: made.at(-1).draws };
}

/** Resolves after the messages that are waiting have been taken. */
function messagesTaken() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
