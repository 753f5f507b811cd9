/**
 * What the page asks of a model, and which of two things answers: a server, or the network in this page.
 *
 * @typedef {{id: string, kind: "language" | "classifier", symbols: string[] | null,
 *   vocabulary: "characters" | "bytes", cell: string, layers: number, hidden_size: number,
 *   applications: ("score" | "activity" | "complete" | "correct" | "classify")[], classes?: string[]}} Model
 * @typedef {{text: string, nats: number, top: [string, number][]}} Character  one character: its surprise in nats, and
 *   the most probable ones with their probabilities, before any sampling setting
 */

import { ServerBackend } from "./server_backend.js";

/** The network of an exported folder if there is one next to the page, otherwise the server that sent the page. */
export async function chooseBackend(hooks) {
  const exported = await fetch("./model/config.json", { method: "HEAD" }).catch(() => null);
  if (!exported?.ok) return new ServerBackend(hooks);
  const { LocalBackend } = await import("./local/local_backend.js");
  return new LocalBackend(hooks);
}
