"""The Triton kernels of attention-map flow; `stillmotion.nn.flow_triton` launches them.

A program owns a block of one map's queries (or keys) and streams the keys (or queries) past it, in
tiles of BLOCK x STREAM logits that live in registers; for the change between frames the next
frame's tile beside it. No program writes where another does: there are no atomics, and the same
input gives the same bits. With P = exp(M - L) of the map M in `stillmotion.nn.flow_tiled`:

    logsumexp_kernel    owns queries   L_i = log Σ_j exp M_ij, by a running maximum
    sums_kernel         owns keys      sums_j = Σ_i P_ij
                        owns queries   r_i = Σ_j P_ij g_j
    gradient_kernel     owns queries   dq = s dD k,    dq' = -s dD k',    dD = P (g - r) sign(D)
                        owns keys      dk = s dD^T q,  dk' = -s dD^T q'

Products take the inputs' dtype (float32 without TF32), sums are float32, exponentials of base 2.
Tensors come as a pointer and their strides; ``sizes`` is F, h, N, d of (B, F, h, N, d).
"""

# Arguments that are fixed when a kernel is compiled have capitals, and none has a type: Triton's
# compiler reads these functions, Python never runs them.
# ruff: noqa: N803
# mypy: disable-error-code="no-untyped-def"

import triton
import triton.language as tl


@triton.jit
def place(tokens, BLOCK: tl.constexpr):
    """The number of this program's map, and the tokens that it owns."""
    blocks = tl.cdiv(tokens, BLOCK)
    owned = tl.program_id(0) % blocks * BLOCK + tl.arange(0, BLOCK)
    return (tl.program_id(0) // blocks).to(tl.int64), owned


@triton.jit
def start(x, strides, number, sizes):
    """Where map ``number`` = (clip, frame, head) of (B, F, h, N, ...) begins."""
    frames, heads = sizes[0], sizes[1]
    head, frame, clip = number % heads, number // heads % frames, number // heads // frames
    return x + clip * strides[0] + frame * strides[1] + head * strides[2]


@triton.jit
def vector(x, strides, places, tokens):
    """Numbers of an (N,) vector, float32; zeros beyond N."""
    return tl.load(x + places * strides[3], mask=places < tokens, other=0.0).to(tl.float32)


@triton.jit
def matrices(x, strides, places, sizes, CHANGE: tl.constexpr, DIM: tl.constexpr):
    """Rows of an (N, d) matrix and of the next frame's, (rows, DIM) each; zeros beyond N and d."""
    columns = tl.arange(0, DIM)
    inside = (places < sizes[2])[:, None] & (columns < sizes[3])[None, :]
    x += places[:, None] * strides[3] + columns[None, :] * strides[4]
    here = tl.load(x, mask=inside, other=0.0)
    after = here
    if CHANGE:
        after = tl.load(x + strides[1], mask=inside, other=0.0)
    return here, after


@triton.jit
def maps(own, own_next, other, other_next, scale, CHANGE: tl.constexpr):
    """A tile of M, in units of log 2, and of the sign of D.

    Two products, then their difference: frames that are equal differ by exactly 0.
    """
    tile = tl.dot(own, other.T, input_precision="ieee")
    if CHANGE:
        tile -= tl.dot(own_next, other_next.T, input_precision="ieee")
    sign = tl.where(tile > 0, 1.0, tl.where(tile < 0, -1.0, 0.0))
    return (tl.abs(tile) if CHANGE else tile) * scale, sign


@triton.jit
def logsumexp_kernel(
    own, own_strides, other, other_strides, out, scale, sizes,
    CHANGE: tl.constexpr, BLOCK: tl.constexpr, STREAM: tl.constexpr, DIM: tl.constexpr,
):  # fmt: skip
    """L of the owned queries in units of log 2, to a contiguous (B, F, h, N)."""
    tokens = sizes[2]
    number, owned = place(tokens, BLOCK)
    own = start(own, own_strides, number, sizes)
    other = start(other, other_strides, number, sizes)
    own_here, own_next = matrices(own, own_strides, owned, sizes, CHANGE, DIM)
    top = tl.full((BLOCK,), float("-inf"), tl.float32)
    total = tl.zeros((BLOCK,), tl.float32)
    for first in range(0, tokens, STREAM):
        streamed = first + tl.arange(0, STREAM)
        here, after = matrices(other, other_strides, streamed, sizes, CHANGE, DIM)
        tile, _ = maps(own_here, own_next, here, after, scale, CHANGE)
        tile = tl.where((streamed < tokens)[None, :], tile, float("-inf"))
        higher = tl.maximum(top, tl.max(tile, axis=1))
        total = total * tl.exp2(top - higher) + tl.sum(tl.exp2(tile - higher[:, None]), axis=1)
        top = higher
    tl.store(out + number * tokens + owned, top + tl.log2(total), mask=owned < tokens)


@triton.jit
def attention(
    own, own_next, other, other_next, logsumexp, owned, streamed, tokens, scale,
    OWNS_QUERIES: tl.constexpr, CHANGE: tl.constexpr,
):  # fmt: skip
    """A tile of P, zero where the streamed token does not exist, and the sign of D."""
    tile, sign = maps(own, own_next, other, other_next, scale, CHANGE)
    queries = owned if OWNS_QUERIES else streamed
    norm = tl.load(logsumexp + queries, mask=queries < tokens, other=0.0)
    tile -= norm[:, None] if OWNS_QUERIES else norm[None, :]
    return tl.where((streamed < tokens)[None, :], tl.exp2(tile), 0.0), sign


@triton.jit
def sums_kernel(
    own, own_strides, other, other_strides, logsumexp, weight, weight_strides, out, out_strides,
    scale, sizes, OWNS_QUERIES: tl.constexpr,
    CHANGE: tl.constexpr, BLOCK: tl.constexpr, STREAM: tl.constexpr, DIM: tl.constexpr,
):  # fmt: skip
    """Of each owned token: the sum of P over streamed tokens, each times its weight."""
    tokens = sizes[2]
    number, owned = place(tokens, BLOCK)
    own = start(own, own_strides, number, sizes)
    other = start(other, other_strides, number, sizes)
    weight = start(weight, weight_strides, number, sizes)
    logsumexp += number * tokens
    own_here, own_next = matrices(own, own_strides, owned, sizes, CHANGE, DIM)
    total = tl.zeros((BLOCK,), tl.float32)
    for first in range(0, tokens, STREAM):
        streamed = first + tl.arange(0, STREAM)
        here, after = matrices(other, other_strides, streamed, sizes, CHANGE, DIM)
        tile, _ = attention(
            own_here, own_next, here, after, logsumexp, owned, streamed, tokens, scale,
            OWNS_QUERIES, CHANGE,
        )  # fmt: skip
        total += tl.sum(tile * vector(weight, weight_strides, streamed, tokens)[None, :], axis=1)
    out = start(out, out_strides, number, sizes) + owned * out_strides[3]
    tl.store(out, total.to(out.dtype.element_ty), mask=owned < tokens)


@triton.jit
def gradient_kernel(
    own, own_strides, other, other_strides, logsumexp, g, g_strides, received, received_strides,
    out, out_strides, out_next, scale, sizes, OWNS_QUERIES: tl.constexpr,
    CHANGE: tl.constexpr, BLOCK: tl.constexpr, STREAM: tl.constexpr, DIM: tl.constexpr,
):  # fmt: skip
    """s dD times the streamed side, and -s dD times its next frame's."""
    tokens = sizes[2]
    number, owned = place(tokens, BLOCK)
    own = start(own, own_strides, number, sizes)
    other = start(other, other_strides, number, sizes)
    g = start(g, g_strides, number, sizes)
    logsumexp += number * tokens
    received = start(received, received_strides, number, sizes)
    own_here, own_next = matrices(own, own_strides, owned, sizes, CHANGE, DIM)
    total = tl.zeros((BLOCK, DIM), tl.float32)
    total_next = total
    for first in range(0, tokens, STREAM):
        streamed = first + tl.arange(0, STREAM)
        here, after = matrices(other, other_strides, streamed, sizes, CHANGE, DIM)
        tile, sign = attention(
            own_here, own_next, here, after, logsumexp, owned, streamed, tokens, scale,
            OWNS_QUERIES, CHANGE,
        )  # fmt: skip
        weight = vector(g, g_strides, streamed if OWNS_QUERIES else owned, tokens)
        mean = vector(received, received_strides, owned if OWNS_QUERIES else streamed, tokens)
        if OWNS_QUERIES:
            tile *= weight[None, :] - mean[:, None]
        else:
            tile *= weight[:, None] - mean[None, :]
        tile = (tile * sign if CHANGE else tile).to(here.dtype)
        total = tl.dot(tile, here, total, input_precision="ieee")
        if CHANGE:
            total_next = tl.dot(tile, after, total_next, input_precision="ieee")
    factor = scale * 0.6931471805599453  # scale is s / log 2
    columns = tl.arange(0, DIM)
    inside = (owned < tokens)[:, None] & (columns < sizes[3])[None, :]
    places = owned[:, None] * out_strides[3] + columns[None, :] * out_strides[4]
    out = start(out, out_strides, number, sizes) + places
    tl.store(out, (total * factor).to(out.dtype.element_ty), mask=inside)
    if CHANGE:
        out_next = start(out_next, out_strides, number, sizes) + places
        tl.store(out_next, (total_next * -factor).to(out_next.dtype.element_ty), mask=inside)
