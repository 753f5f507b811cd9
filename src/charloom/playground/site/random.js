/**
 * The random numbers of numpy's `Generator(PCG64(seed))`, bit for bit: SeedSequence spreads the seed, PCG XSL-RR
 * 128/64 (O'Neill 2014) makes the numbers.
 */

const MULTIPLIER = 0x2360ed051fc65da44385df649fccf645n;
const POOL_SIZE = 4;
const STATE_WORDS = 8;

export class Pcg64 {
  #state;
  #increment;

  /** @param {number | bigint} seed  a whole number, at least 0 */
  constructor(seed) {
    const [stateHigh, stateLow, sequenceHigh, sequenceLow] = spread(BigInt(seed));
    this.#increment = BigInt.asUintN(128, (((sequenceHigh << 64n) | sequenceLow) << 1n) | 1n);
    this.#state = this.#increment;
    this.#state = BigInt.asUintN(128, this.#state + ((stateHigh << 64n) | stateLow));
    this.#step();
  }

  /** The next number, 0 <= x < 1, a multiple of 2 ** -53. */
  random() {
    this.#step();
    const folded = (this.#state >> 64n) ^ BigInt.asUintN(64, this.#state);
    const turn = this.#state >> 122n;
    const bits = BigInt.asUintN(64, (folded >> turn) | (folded << (64n - turn)));
    return Number(bits >> 11n) / 2 ** 53;
  }

  /**
   * Skip `count` numbers, at a cost that grows with the logarithm of `count` (Brown 1994).
   * @param {number | bigint} count
   * @returns {this}
   */
  advance(count) {
    let [factor, summand] = [1n, 0n];
    let [power, increment] = [MULTIPLIER, this.#increment];
    for (let left = BigInt(count); left > 0n; left >>= 1n) {
      if (left & 1n) {
        factor = BigInt.asUintN(128, factor * power);
        summand = BigInt.asUintN(128, summand * power + increment);
      }
      increment = BigInt.asUintN(128, (power + 1n) * increment);
      power = BigInt.asUintN(128, power * power);
    }
    this.#state = BigInt.asUintN(128, factor * this.#state + summand);
    return this;
  }

  #step() {
    this.#state = BigInt.asUintN(128, this.#state * MULTIPLIER + this.#increment);
  }
}

/** What numpy's `SeedSequence(seed).generate_state(4, numpy.uint64)` gives, as four bigints. */
function spread(seed) {
  const pool = mixedPool(seed);
  let constant = 0x8b51f9dd;
  const words = Array.from({ length: STATE_WORDS }, (_, place) => {
    let value = pool[place % POOL_SIZE] ^ constant;
    constant = Math.imul(constant, 0x58f38ded);
    value = Math.imul(value, constant);
    return BigInt((value ^ (value >>> 16)) >>> 0);
  });
  return [0, 2, 4, 6].map((place) => words[place] | (words[place + 1] << 32n));
}

/** The 32-bit words of the seed, each of which changes every word of the pool. */
function mixedPool(seed) {
  const words = [];
  for (let left = seed; left > 0n; left >>= 32n) words.push(Number(left & 0xffffffffn));
  let constant = 0x43b0d7e5;
  const hashed = (word) => {
    let value = word ^ constant;
    constant = Math.imul(constant, 0x931e8875);
    value = Math.imul(value, constant);
    return value ^ (value >>> 16);
  };
  const pool = Array.from({ length: POOL_SIZE }, (_, place) => hashed(words[place] ?? 0));
  for (let from = 0; from < POOL_SIZE; from += 1) {
    for (let to = 0; to < POOL_SIZE; to += 1) if (to !== from) pool[to] = mixed(pool[to], hashed(pool[from]));
  }
  for (const word of words.slice(POOL_SIZE)) {
    for (let to = 0; to < POOL_SIZE; to += 1) pool[to] = mixed(pool[to], hashed(word));
  }
  return pool;
}

function mixed(first, second) {
  const value = Math.imul(0xca01f9dd, first) - Math.imul(0x4973f715, second);
  return value ^ (value >>> 16);
}
