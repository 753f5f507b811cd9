/**
 * A network's weights laid out for single steps: the constant sums are precomputed, and rows are read eight at a time.
 *
 * A gate's sigmoid is computed as (1 + tanh(z / 2)) / 2 with the inner half already in the weights.
 * G gates, H hidden units, V symbols that can be predicted.
 */

const ROWS_AT_ONCE = 8;

/** Which of PyTorch's blocks of H rows comes where, and what it is multiplied with. */
const BLOCKS = {
  lstm: [[0, 0.5], [1, 0.5], [3, 0.5], [2, 1]], // input, forget, output, candidate
  gru: [[0, 0.5], [1, 0.5], [2, 1]], // reset, update, candidate
  "rnn-tanh": [[0, 1]],
  "rnn-relu": [[0, 1]],
};

export const CELLS = Object.keys(BLOCKS);

/** The name and shape of each tensor of a network that reads `inputs` symbols and predicts `outputs`. */
export function shapes(config, inputs, outputs) {
  const size = config.hidden_size;
  const rows = BLOCKS[config.cell].length * size;
  const all = new Map([["output.bias", [outputs]]]);
  if (config.embedding_size) all.set("embedding.weight", [inputs, config.embedding_size]);
  if (!config.tied) all.set("output.weight", [outputs, size]);
  for (let layer = 0; layer < config.layers; layer += 1) {
    const below = layer ? size : config.embedding_size || inputs;
    all.set(`layers.${layer}.weight_ih_l0`, [rows, below]);
    all.set(`layers.${layer}.weight_hh_l0`, [rows, size]);
    all.set(`layers.${layer}.bias_ih_l0`, [rows]);
    all.set(`layers.${layer}.bias_hh_l0`, [rows]);
  }
  return all;
}

/** A matrix (rows, columns), filled up with rows of zeros to a multiple of eight. */
export class Matrix {
  constructor(values, rows, columns) {
    this.rows = Math.ceil(rows / ROWS_AT_ONCE) * ROWS_AT_ONCE;
    this.columns = columns;
    this.values = values;
    if (this.rows * columns !== values.length) {
      this.values = new Float32Array(this.rows * columns);
      this.values.set(values.subarray(0, rows * columns));
    }
  }

  /** The product with a vector (columns,), in double precision, into `sums` (rows,). */
  multiply(vector, sums) {
    const { rows, columns, values } = this;
    for (let row = 0; row < rows; row += ROWS_AT_ONCE) {
      const p0 = row * columns;
      const p1 = p0 + columns;
      const p2 = p1 + columns;
      const p3 = p2 + columns;
      const p4 = p3 + columns;
      const p5 = p4 + columns;
      const p6 = p5 + columns;
      const p7 = p6 + columns;
      let s0 = 0, s1 = 0, s2 = 0, s3 = 0, s4 = 0, s5 = 0, s6 = 0, s7 = 0;
      for (let k = 0; k < columns; k += 1) {
        const value = vector[k];
        s0 += values[p0 + k] * value;
        s1 += values[p1 + k] * value;
        s2 += values[p2 + k] * value;
        s3 += values[p3 + k] * value;
        s4 += values[p4 + k] * value;
        s5 += values[p5 + k] * value;
        s6 += values[p6 + k] * value;
        s7 += values[p7 + k] * value;
      }
      sums[row] = s0;
      sums[row + 1] = s1;
      sums[row + 2] = s2;
      sums[row + 3] = s3;
      sums[row + 4] = s4;
      sums[row + 5] = s5;
      sums[row + 6] = s6;
      sums[row + 7] = s7;
    }
  }
}

/**
 * One layer. `start` holds the gates before anything else is added: in the first layer a row (G H) for each symbol, in
 * the others a single row, the biases. `gates` is G H. `apart` (H) is the bias of a GRU's candidate that the reset gate multiplies.
 */
export function layerWeights(config, tensors, layer) {
  const blocks = BLOCKS[config.cell];
  const size = config.hidden_size;
  const rows = blocks.length * size;
  const [below, recurrent, first, second] = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map((name) =>
    reordered(tensors.get(`layers.${layer}.${name}_l0`), blocks),
  );
  const apart = new Float32Array(size);
  if (config.cell === "gru") {
    apart.set(second.subarray(2 * size));
    second.fill(0, 2 * size);
  }
  const bias = Float64Array.from(first, (value, place) => value + second[place]);
  const columns = below.length / rows;
  return {
    start: layer ? Float32Array.from(bias) : inputTable(tensors.get("embedding.weight"), below, columns, bias),
    below: layer ? new Matrix(below, rows, columns) : null,
    recurrent: new Matrix(recurrent, rows, size),
    apart,
    gates: rows,
  };
}

/** The output's matrix (V, H) and bias (V,). */
export function outputWeights(config, tensors) {
  const bias = tensors.get("output.bias");
  const values = tensors.get(config.tied ? "embedding.weight" : "output.weight");
  const used = values.subarray(0, bias.length * config.hidden_size);
  return { matrix: new Matrix(used, bias.length, config.hidden_size), bias };
}

function reordered(values, blocks) {
  const length = values.length / blocks.length;
  const made = new Float32Array(values.length);
  blocks.forEach(([from, factor], to) => {
    const block = values.subarray(from * length, (from + 1) * length);
    made.set(factor === 1 ? block : block.map((value) => value * factor), to * length);
  });
  return made;
}

/** What each symbol adds to the gates of the first layer, (symbols, G H). */
function inputTable(embedding, weights, columns, bias) {
  const symbols = embedding ? embedding.length / columns : columns;
  const table = new Float32Array(symbols * bias.length);
  const matrix = new Matrix(weights, bias.length, columns);
  const sums = new Float64Array(matrix.rows);
  for (let symbol = 0; symbol < symbols; symbol += 1) {
    if (embedding) matrix.multiply(embedding.subarray(symbol * columns, (symbol + 1) * columns), sums);
    else for (let row = 0; row < bias.length; row += 1) sums[row] = weights[row * columns + symbol];
    const start = symbol * bias.length;
    for (let row = 0; row < bias.length; row += 1) table[start + row] = bias[row] + sums[row];
  }
  return table;
}
