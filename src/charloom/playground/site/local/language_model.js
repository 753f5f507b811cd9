/** The model of an exported folder: configuration, vocabulary and network, checked before they are believed. */

import { BackendError } from "../backend_error.js";
import { Network } from "./network.js";
import { readTensors } from "./safetensors.js";
import { Vocabulary } from "./vocabulary.js";
import { CELLS, shapes } from "./weights.js";

const FORMAT = "charloom-model-1";
const LARGEST = { layers: 32, hidden_size: 16384, embedding_size: 16384 };

/** A logit so low that its symbol has probability 0. */
const NEVER = -1e30;

export class LanguageModel {
  #newlineEnds;

  /**
   * @param {object} config  the content of config.json
   * @param {{kind: string, characters: string}} record  the content of vocabulary.json
   * @param {ArrayBuffer} weights  the content of model.safetensors
   */
  constructor(config, record, weights) {
    check(config, record);
    this.config = config;
    this.vocabulary = new Vocabulary(record.kind, record.characters);
    const inputs = this.vocabulary.boundary + 1;
    const expected = shapes(config.network, inputs, config.predicts_end ? inputs : inputs - 1);
    this.network = new Network(config.network, readTensors(weights, expected));
    this.#newlineEnds = config.documents !== "none" && this.vocabulary.newline !== undefined;
  }

  /** The symbols of a text; in a model of lines a newline ends a text. */
  encode(text) {
    const { boundary, newline } = this.vocabulary;
    const ids = this.vocabulary.encode(text);
    return this.#newlineEnds ? ids.map((id) => (id === newline ? boundary : id)) : ids;
  }

  /** The symbols that a prompt's state depends on: everything from the last boundary on, which opens every text. */
  prompt(text) {
    const ids = this.encode(text);
    const last = ids.lastIndexOf(this.vocabulary.boundary);
    return last < 0 ? [this.vocabulary.boundary, ...ids] : ids.slice(last);
  }

  /** Exclude the symbols that never occur: in a model of lines the newline, which the boundary replaces. */
  exclude(logits) {
    if (this.#newlineEnds) logits[this.vocabulary.newline] = NEVER;
  }

  /** A symbol as shown to people, each differently; the boundary as the newline that it replaces, or as nothing. */
  name(id) {
    if (id === this.vocabulary.boundary) return this.config.documents === "lines" ? "\n" : "";
    return this.#newlineEnds && id === this.vocabulary.newline ? "<0a>" : this.vocabulary.name(id);
  }

  /** What the page wants to know. @returns {import("../backend.js").Model} */
  describe(id) {
    const { cell, layers, hidden_size } = this.config.network;
    const { kind, boundary } = this.vocabulary;
    const outputs = boundary + Number(this.config.predicts_end);
    const symbols = kind === "bytes" ? null : Array.from({ length: outputs }, (_, symbol) => this.name(symbol));
    const applications = ["score", "activity"];
    return { id, kind: "language", symbols, vocabulary: kind, cell, layers, hidden_size, applications };
  }
}

/** Fetch the model in a folder. @param {URL} folder */
export async function loadModel(folder) {
  const [config, record, weights] = await Promise.all([
    fetched(folder, "config.json", (response) => response.json()),
    fetched(folder, "vocabulary.json", (response) => response.json()),
    fetched(folder, "model.safetensors", (response) => response.arrayBuffer()),
  ]);
  return new LanguageModel(config, record, weights);
}

async function fetched(folder, name, read) {
  const response = await fetch(new URL(name, folder), { cache: "no-cache" }).catch(() => null);
  if (!response?.ok) {
    const reason = response ? `the host answers ${response.status}` : "the host does not answer";
    throw new BackendError(`The model's file ${name} cannot be loaded: ${reason}; look at its place, then try again.`);
  }
  try {
    return await read(response);
  } catch {
    throw damaged(`${name} cannot be read`);
  }
}

function check(config, record) {
  const network = config?.network;
  if (config?.format !== FORMAT || typeof network !== "object" || network === null) {
    throw damaged(`config.json is not that of a ${FORMAT}`);
  }
  const whole = (name, least) =>
    Number.isInteger(network[name]) && network[name] >= least && network[name] <= LARGEST[name];
  const sized = whole("layers", 1) && whole("hidden_size", 1) && whole("embedding_size", 0);
  const tied = !network.tied || network.embedding_size === network.hidden_size;
  if (!CELLS.includes(network.cell) || !sized || !tied) throw damaged("config.json describes no network");
  const characters = record?.characters;
  const known = record?.kind === "bytes" ? characters === "" : record?.kind === "characters" && isOrdered(characters);
  if (!known) throw damaged("vocabulary.json lists no characters in order");
}

function isOrdered(characters) {
  if (typeof characters !== "string" || !characters) return false;
  const codes = Array.from(characters, (character) => character.codePointAt(0));
  return codes.every((code, place) => place === 0 || code > codes[place - 1]);
}

function damaged(reason) {
  return new BackendError(`The exported model is damaged: ${reason}; export it again.`);
}
