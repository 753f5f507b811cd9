/**
 * A network that reads one symbol at a time: what `charloom.generation.numpy_steps` does, with sums in double precision
 * and a state in single precision.
 */

import { layerWeights, outputWeights } from "./weights.js";

/** The memory of a network: `h`, and for an LSTM `c`, one array of H numbers for each layer. */
export class State {
  /** @param {Float32Array} values  all parts of all layers, one after the other */
  constructor(values, parts, layers) {
    this.values = values;
    const size = values.length / parts / layers;
    const part = (number) =>
      Array.from({ length: layers }, (_, layer) =>
        values.subarray((number * layers + layer) * size, (number * layers + layer + 1) * size),
      );
    this.h = part(0);
    this.c = parts === 2 ? part(1) : null;
    this.copy = () => new State(values.slice(), parts, layers);
  }
}

export class Network {
  #layers;
  #output;
  #inputs;
  #recurrent;
  #sums;
  #logits;

  /**
   * @param {{cell: string, layers: number, hidden_size: number, embedding_size: number, tied: boolean}} config
   * @param {Map<string, Float32Array>} tensors  with the shapes that `shapes` in weights.js asks for
   */
  constructor(config, tensors) {
    this.config = config;
    this.#layers = Array.from({ length: config.layers }, (_, layer) => layerWeights(config, tensors, layer));
    this.#output = outputWeights(config, tensors);
    this.#inputs = new Float64Array(this.#layers[0].recurrent.rows);
    this.#recurrent = new Float64Array(this.#inputs.length);
    this.#sums = new Float64Array(this.#output.matrix.rows);
    this.#logits = new Float32Array(this.#output.bias.length);
  }

  /** A zero state. */
  begin() {
    const { cell, layers, hidden_size: size } = this.config;
    const parts = cell === "lstm" ? 2 : 1;
    return new State(new Float32Array(parts * layers * size), parts, layers);
  }

  /** Read one symbol; the state is overwritten. */
  read(state, symbol) {
    this.#layers.forEach((layer, number) => {
      if (number) {
        layer.below.multiply(state.h[number - 1], this.#inputs);
        for (let row = 0; row < layer.start.length; row += 1) this.#inputs[row] += layer.start[row];
      } else {
        this.#inputs.set(layer.start.subarray(symbol * layer.gates, (symbol + 1) * layer.gates));
      }
      layer.recurrent.multiply(state.h[number], this.#recurrent);
      STEPS[this.config.cell](this.#inputs, this.#recurrent, layer.apart, state.h[number], state.c?.[number]);
    });
  }

  /** The logits (V,) of the next symbol; the next call overwrites the array. */
  logits(state) {
    this.#output.matrix.multiply(state.h.at(-1), this.#sums);
    const { bias } = this.#output;
    for (let row = 0; row < bias.length; row += 1) this.#logits[row] = this.#sums[row] + bias[row];
    return this.#logits;
  }
}

const STEPS = { lstm: stepLstm, gru: stepGru, "rnn-tanh": stepTanh, "rnn-relu": stepRelu };

function stepLstm(inputs, recurrent, apart, h, c) {
  const size = h.length;
  const sigmoid = (row) => 0.5 + 0.5 * Math.tanh(inputs[row] + recurrent[row]);
  for (let unit = 0; unit < size; unit += 1) {
    const candidate = Math.tanh(inputs[3 * size + unit] + recurrent[3 * size + unit]);
    c[unit] = c[unit] * sigmoid(size + unit) + sigmoid(unit) * candidate;
    h[unit] = Math.tanh(c[unit]) * sigmoid(2 * size + unit);
  }
}

function stepGru(inputs, recurrent, apart, h) {
  const size = h.length;
  const sigmoid = (row) => 0.5 + 0.5 * Math.tanh(inputs[row] + recurrent[row]);
  for (let unit = 0; unit < size; unit += 1) {
    const kept = (recurrent[2 * size + unit] + apart[unit]) * sigmoid(unit);
    const candidate = Math.tanh(inputs[2 * size + unit] + kept);
    h[unit] = candidate + (h[unit] - candidate) * sigmoid(size + unit);
  }
}

function stepTanh(inputs, recurrent, apart, h) {
  for (let unit = 0; unit < h.length; unit += 1) h[unit] = Math.tanh(inputs[unit] + recurrent[unit]);
}

function stepRelu(inputs, recurrent, apart, h) {
  for (let unit = 0; unit < h.length; unit += 1) h[unit] = Math.max(inputs[unit] + recurrent[unit], 0);
}
