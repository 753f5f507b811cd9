/** Safetensors files, checked against the tensors that are expected before anything is built. */

import { BackendError } from "../backend_error.js";

const LARGEST_HEADER = 1 << 20;
const SCALE = ".scale";
const BYTES = { F32: 4, F16: 2, BF16: 2, I8: 1 };

/**
 * The tensors of a file as float32 arrays. A matrix may be stored as int8 with a float32 scale for each row, in a
 * tensor of the same name that ends with `.scale`.
 * @param {ArrayBuffer} file
 * @param {Map<string, number[]>} expected  the shape of each tensor
 * @returns {Map<string, Float32Array>}
 */
export function readTensors(file, expected) {
  const { header, start } = readHeader(file);
  const names = new Set(Object.keys(header));
  const tensors = new Map();
  let bytes = 0;
  for (const [name, shape] of expected) {
    const scaled = shape.length === 2 && names.has(name + SCALE) && !expected.has(name + SCALE);
    const parts = scaled ? [[name, shape, "I8"], [name + SCALE, shape.slice(0, 1), "F32"]] : [[name, shape, null]];
    const [values, scales] = parts.map(([part, wanted, type]) => {
      names.delete(part);
      const bounds = boundsOf(part, header[part], wanted, type, file.byteLength - start);
      bytes += bounds.end - bounds.begin;
      return floats(file.slice(start + bounds.begin, start + bounds.end), bounds.type);
    });
    if (scaled) scaleRows(values, scales);
    if (!values.every(Number.isFinite)) throw damaged(`the tensor ${name} holds numbers that are not finite`);
    tensors.set(name, values);
  }
  for (const name of names) throw damaged(`it has an unknown tensor ${name.slice(0, 100)}`);
  if (bytes !== file.byteLength - start) throw damaged("its size is not that of its tensors");
  return tensors;
}

function readHeader(file) {
  const length = file.byteLength < 8 ? Infinity : Number(new DataView(file).getBigUint64(0, true));
  if (length > Math.min(LARGEST_HEADER, file.byteLength - 8)) {
    throw damaged("it is truncated or not a safetensors file");
  }
  let header;
  try {
    header = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(file, 8, length)));
  } catch {
    throw damaged("its header is not JSON");
  }
  if (!isRecord(header)) throw damaged("its header names no tensors");
  const { __metadata__, ...tensors } = header;
  return { header: tensors, start: 8 + length };
}

/** Type and place of a tensor within the data, which has `size` bytes. */
function boundsOf(name, entry, shape, type, size) {
  if (!isRecord(entry)) throw damaged(`it lacks the tensor ${name}`);
  if (JSON.stringify(entry.shape) !== JSON.stringify(shape)) {
    const found = JSON.stringify(entry.shape ?? null).slice(0, 60);
    throw damaged(`the tensor ${name} has the shape ${found}, but configuration and vocabulary ask for [${shape}]`);
  }
  const known = Object.hasOwn(BYTES, entry.dtype) && (entry.dtype === "I8") === (type === "I8");
  if (!known || (type && entry.dtype !== type)) {
    throw damaged(`the tensor ${name} has the type ${JSON.stringify(entry.dtype ?? null).slice(0, 60)}`);
  }
  const [begin, end] = Array.isArray(entry.data_offsets) ? entry.data_offsets : [];
  const length = shape.reduce((product, each) => product * each, BYTES[entry.dtype]);
  if (!Number.isSafeInteger(begin) || begin < 0 || end !== begin + length || end > size) {
    throw damaged(`the tensor ${name} does not lie within the file`);
  }
  return { type: entry.dtype, begin, end };
}

function floats(bytes, type) {
  if (type === "F32") return new Float32Array(bytes);
  if (type === "I8") return Float32Array.from(new Int8Array(bytes));
  const halves = new Uint16Array(bytes);
  if (type === "F16") return Float32Array.from(halves, fromHalf);
  return new Float32Array(Uint32Array.from(halves, (half) => half << 16).buffer);
}

/** The number that the bits of a float16 stand for. */
function fromHalf(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits >> 15 ? -1 : 1;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent ? sign * (1 + fraction / 1024) * 2 ** (exponent - 15) : (sign * fraction) / 2 ** 24;
}

function scaleRows(values, scales) {
  const columns = values.length / scales.length;
  for (let place = 0; place < values.length; place += 1) values[place] *= scales[Math.floor(place / columns)];
}

function isRecord(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function damaged(reason) {
  return new BackendError(`model.safetensors is damaged: ${reason}; export the model again.`);
}
