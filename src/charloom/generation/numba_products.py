"""Matrix products whose every sum is the same bits, however many rows share them.

A library's product adds in an order that depends on how many rows there are. Here each element is one chain of fused
multiplications and additions from the first input to the last; what varies with the number of rows is only how many
chains run at once. The inner loop is written in the compiler's own language, so that the running sums stay in
registers: about as fast as a good library for many rows, and as fast as memory for one.

A matrix (K, N) is stored as tiles (N / COLUMNS, K, COLUMNS), each read from its beginning to its end.
"""

from typing import Any

import llvmlite.binding
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from charloom.models.step_weights import Floats, aligned_empty

_HOST = llvmlite.binding.get_host_cpu_features()

_LANES = 16 if _HOST.get("avx512f") else 8 if _HOST.get("avx") else 4
"""Numbers in a vector register."""

_VECTORS = 4
"""Vectors in a row of a tile: enough chains to hide how long an addition takes."""

COLUMNS = _LANES * _VECTORS
"""Columns of a tile."""

_MOST = 6
"""Rows that share what is read of a tile."""

_PARTS = 1 if _HOST.get("avx512f") or not _HOST.get("sse2") else 2
"""Parts of a tile that more than two rows read one after the other, so that the sums fit into the registers: there are
32 with AVX-512 and on ARM, otherwise 16."""

_PART = COLUMNS // _PARTS


def tiles(matrix: Floats) -> Floats:
    """A matrix (K, N) as tiles (N / COLUMNS rounded up, K, COLUMNS), filled up with zeros."""
    size, columns = matrix.shape
    count = -(-columns // COLUMNS)
    out = aligned_empty((count, size, COLUMNS))
    out[...] = 0
    for number in range(count):
        part = matrix[:, number * COLUMNS : (number + 1) * COLUMNS]
        out[number, :, : part.shape[1]] = part
    return out


def _rows(rows: int) -> Any:
    """A compiled function that multiplies `rows` rows by a tile, or by a part of it if there are more than two."""
    vectors = _VECTORS if rows <= 2 else _VECTORS // _PARTS

    @intrinsic
    def multiply(
        context: Any,
        tiles: Any,
        tile: Any,
        inputs: Any,
        first: Any,
        stride: Any,
        sums: Any,
        place: Any,
        step: Any,
        size: Any,
    ) -> Any:
        whole = types.intp
        signature = types.void(tiles, whole, inputs, whole, whole, sums, whole, whole, whole)
        return signature, lambda target, builder, kinds, values: _emit(
            rows, vectors, target, builder, kinds.args, values
        )

    return multiply


def _emit(rows: int, vectors: int, target: Any, builder: ir.IRBuilder, kinds: Any, values: Any) -> Any:
    """The loop: sums[place + row step + column] = sum over k of inputs[first + row stride + k] times
    tiles[tile + k COLUMNS + column]."""
    data = [target.make_array(kinds[number])(target, builder, values[number]).data for number in (0, 2, 5)]
    _, tile, _, first, stride, _, place, step, size = values
    weights, inputs, sums = data
    whole, vector = ir.IntType(64), ir.VectorType(ir.FloatType(), _LANES)
    name = f"llvm.fmuladd.v{_LANES}f32"
    fused = builder.module.globals.get(name) or ir.Function(builder.module, ir.FunctionType(vector, [vector] * 3), name)

    def vector_at(array: Any, index: Any) -> Any:
        return builder.bitcast(builder.gep(array, [index]), vector.as_pointer())

    def plus(index: Any, *more: Any) -> Any:
        for value in more:
            index = builder.add(index, value if isinstance(value, ir.Value) else ir.Constant(whole, value))
        return index

    def times(value: Any, factor: int) -> Any:
        return builder.mul(value, ir.Constant(whole, factor))

    before = builder.block
    loop, after = builder.append_basic_block("loop"), builder.append_basic_block("after")
    builder.branch(loop)
    builder.position_at_end(loop)
    k = builder.phi(whole)
    k.add_incoming(ir.Constant(whole, 0), before)
    running = [[builder.phi(vector) for _ in range(vectors)] for _ in range(rows)]
    line = plus(tile, times(k, COLUMNS))
    columns = [builder.load(vector_at(weights, plus(line, v * _LANES)), align=4) for v in range(vectors)]
    for row in range(rows):
        value = builder.load(builder.gep(inputs, [plus(first, times(stride, row), k)]))
        spread = _spread(builder, value, vector)
        for v, total in enumerate(running[row]):
            total.add_incoming(ir.Constant(vector, [0.0] * _LANES), before)
            running[row][v] = builder.call(fused, [spread, columns[v], total])
            total.add_incoming(running[row][v], loop)
    following = plus(k, 1)
    k.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, size), loop, after)
    builder.position_at_end(after)
    for row in range(rows):
        for v, total in enumerate(running[row]):
            builder.store(total, vector_at(sums, plus(place, times(step, row), v * _LANES)), align=4)
    return target.get_dummy_value()


def _spread(builder: ir.IRBuilder, value: Any, vector: ir.VectorType) -> Any:
    """A vector with the value in every lane."""
    nothing, index = ir.Constant(vector, ir.Undefined), ir.IntType(32)
    first = builder.insert_element(nothing, value, ir.Constant(index, 0))
    lanes = ir.Constant(ir.VectorType(index, vector.count), [0] * vector.count)
    return builder.shuffle_vector(first, nothing, lanes)


_one, _two, _three, _four, _five, _six = (_rows(count) for count in range(1, 7))


@njit(error_model="numpy", nogil=True)
def multiply(
    tiles: Any, tile: int, inputs: Any, first: int, stride: int, sums: Any, place: int, step: int, size: int, rows: int
) -> None:
    """Multiply `rows` rows by one tile.

    All three arrays are contiguous, and places in them are counted from their beginning. The tile begins at `tile`. The
    first row of inputs, `size` numbers, begins at `first` and the next one `stride` later; `place` and `step` say the
    same of the sums, COLUMNS for each row.
    """
    rest = rows % _MOST
    row = rows - rest
    if rest == 1:
        _one(tiles, tile, inputs, first + row * stride, stride, sums, place + row * step, step, size)
    elif rest == 2:
        _two(tiles, tile, inputs, first + row * stride, stride, sums, place + row * step, step, size)
    for part in range(_PARTS):
        begin, at = tile + part * _PART, place + part * _PART
        for six in range(0, row, _MOST):
            _six(tiles, begin, inputs, first + six * stride, stride, sums, at + six * step, step, size)
        if rest == 3:
            _three(tiles, begin, inputs, first + row * stride, stride, sums, at + row * step, step, size)
        elif rest == 4:
            _four(tiles, begin, inputs, first + row * stride, stride, sums, at + row * step, step, size)
        elif rest == 5:
            _five(tiles, begin, inputs, first + row * stride, stride, sums, at + row * step, step, size)
