"""Triton's kernels give the equations' values and gradients, under its interpreter on any machine.

The interpreter cannot multiply bfloat16: that, speed and everything else of a GPU is tested where
there is one.
"""

from importlib.util import find_spec

import pytest
import torch

from plain import run_plain

pytestmark = pytest.mark.skipif(find_spec("triton") is None, reason="Triton is not installed")

COMPARED = """
    import sys
    import torch
    from stillmotion.nn import reference
    from stillmotion.nn.attention import split_heads
    from stillmotion.nn.flow_triton import triton_column_sums

    torch.manual_seed(0)

    def value_and_gradients(function, q, k, gradient):
        out = function(q, k)
        return out.detach(), *torch.autograd.grad(out, (q, k), gradient.to(out.dtype))

    FLOWS = (
        (False, reference.attention_received),
        (True, lambda q, k: reference.static_flow(q, k)[:, :-1]),
    )

    def compare(dtype, tolerance, device, clips, frames, heads, tokens, dim):
        fused = torch.randn(clips, frames, tokens, 3 * heads * dim, device=device).to(dtype)
        q, k, _ = (split_heads(x, heads).requires_grad_() for x in fused.chunk(3, dim=-1))
        exact = [x.detach().double().requires_grad_() for x in (q, k)]
        for change, plain in FLOWS:
            gradient = torch.randn(clips, frames - change, tokens, heads, device=device)
            kernel = lambda q, k: triton_column_sums(q, k, change)[0]
            found = value_and_gradients(kernel, q, k, gradient.to(dtype))
            want = value_and_gradients(plain, *exact, gradient.to(dtype))
            for part, true in zip(found, want):
                assert part.dtype == dtype
                largest = float(true.abs().max()) if true.numel() else 0.0
                torch.testing.assert_close(part.double(), true, rtol=0, atol=tolerance * largest)

    for shape in sys.argv[4:]:
        sizes = [int(size) for size in shape.split(",")]
        compare(getattr(torch, sys.argv[1]), float(sys.argv[2]), sys.argv[3], *sizes)
        print(shape)
"""

SHAPES = ("2,1,1,5,16", "1,2,2,70,16", "2,3,1,33,32", "1,2,1,67,64", "1,2,1,19,72", "1,3,1,37,80",
          "1,2,1,65,128", "1,2,2,9,6")  # fmt: skip
"""B, T, h, N, d: a frame alone, tokens that no tile divides, head dimensions that are padded."""


@pytest.mark.parametrize(
    ("dtype", "tolerance", "shapes"),
    [
        ("float32", 1e-5, SHAPES),
        ("float16", 2e-3, SHAPES[:1]),
        pytest.param("float16", 2e-3, SHAPES[1:], marks=pytest.mark.slow),
    ],
)
def test_kernels_are_the_equations_under_the_interpreter(dtype, tolerance, shapes):
    """The tolerance is relative to the largest number."""
    told = run_plain(COMPARED, dtype, str(tolerance), "cpu", *shapes, TRITON_INTERPRET="1")
    assert told.split() == list(shapes)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 2e-2), ("float16", 2e-3)]
)
def test_kernels_are_the_equations_on_a_gpu(dtype, tolerance):
    shapes = (*SHAPES, "2,4,3,197,64", "1,2,12,1370,64")
    assert run_plain(COMPARED, dtype, str(tolerance), "cuda", *shapes).split() == list(shapes)


def test_equal_frames_send_back_exactly_nothing():
    run_plain(
        """
        import torch
        from stillmotion.nn.flow_triton import triton_column_sums
        q, k = (torch.randn(1, 1, 1, 70, 64).repeat(1, 3, 1, 1, 1).requires_grad_() for _ in "qk")
        sums, _ = triton_column_sums(q, k, True)
        torch.testing.assert_close(sums, torch.ones_like(sums))
        for gradient in torch.autograd.grad(sums, (q, k), torch.randn_like(sums)):
            assert not gradient.any()
        """,
        TRITON_INTERPRET="1",
    )


def test_compiled_whole_the_kernels_are_one_node():
    run_plain(
        """
        import torch
        from stillmotion.nn.flow_triton import triton_column_sums
        q, k = (torch.randn(1, 2, 1, 9, 16, requires_grad=True) for _ in "qk")
        flow = lambda q, k: triton_column_sums(q, k, True)[0].sin().sum()
        compiled = torch.compile(flow, backend="aot_eager", fullgraph=True)
        found, want = (torch.autograd.grad(run(q, k), (q, k)) for run in (compiled, flow))
        torch.testing.assert_close(found, want)
        """,
        TRITON_INTERPRET="1",
    )


@pytest.mark.slow
@pytest.mark.parametrize("capability", [80, 90])
@pytest.mark.parametrize(("dtype", "dim"), [("bf16", 64), ("bf16", 128), ("fp32", 64)])
def test_kernels_compile_for_gpus_that_are_not_here(dtype, dim, capability):
    """To machine code, with products on tensor cores where the inputs are half."""
    run_plain(
        """
        import sys
        import torch, triton
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource
        from stillmotion.nn import flow_kernels
        from stillmotion.nn.flow_triton import tile_shape

        dtype, dim, capability = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
        TYPES = {"sizes": ("i32",) * 4, "scale": "fp32", "logsumexp": "*fp32"}
        shape = tile_shape(dim, torch.float32 if dtype == "fp32" else torch.bfloat16)
        options = {name: shape.pop(name) for name in ("num_warps", "num_stages")}

        def type_of(name):
            if name.endswith("_strides"):
                return ("i64",) * 5
            return TYPES.get(name, "*" + dtype)

        for change in (False, True):
            for name, flags in (
                ("logsumexp", {}),
                ("sums", {"OWNS_QUERIES": False}),
                ("gradient", {"OWNS_QUERIES": True}),
                ("gradient", {"OWNS_QUERIES": False}),
            ):
                kernel = getattr(flow_kernels, f"{name}_kernel")
                fixed = {**shape, **flags, "CHANGE": change}
                types = {n: "constexpr" if n in fixed else type_of(n) for n in kernel.arg_names}
                source = ASTSource(fn=kernel, signature=types, constexprs=fixed)
                target = GPUTarget("cuda", capability, 32)
                assembly = triton.compile(source, target=target, options=options).asm
                assert assembly["cubin"]
                assert dtype == "fp32" or "mma" in assembly["ptx"]
        """,
        dtype,
        str(dim),
        str(capability),
    )
