"""The kernels compile to machine code for GPUs, here on the CPU: what the interpreter takes, a compiler may not."""

import os

import pytest
import torch

DTYPES = {torch.float16: 'fp16', torch.bfloat16: 'bf16', torch.float32: 'fp32', torch.float64: 'fp64'}
SHARED_MEMORY = 99 * 1024  # of the smallest of the GPUs in question; the largest have 227 KiB

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.environ.get('TRITON_INTERPRET') == '1', reason='the interpreter does not compile'),
]


@pytest.fixture
def compiled(needs_triton, monkeypatch, tmp_path):
    """Makes every launch compile instead, in its first configuration, and lists what came out."""
    import triton
    from triton.backends.compiler import GPUTarget
    from triton.runtime.autotuner import Autotuner

    results = []

    def run(tuner, *args, grid, warmup, **kwargs):
        config, function = tuner.configs[0], tuner.fn
        signature, constants, divisible = {}, {}, {}
        arguments = function.signature.bind(*args, **kwargs, **config.kwargs).arguments
        for index, (name, value) in enumerate(arguments.items()):
            param = function.params[index]
            specialized = not param.is_constexpr and not param.do_not_specialize
            if param.is_constexpr or specialized and isinstance(value, int) and value == 1:
                signature[name], constants[name] = 'constexpr', value
            elif isinstance(value, torch.Tensor):
                signature[name], divisible[(index,)] = f'*{DTYPES[value.dtype]}', [['tt.divisibility', 16]]
            else:
                signature[name] = 'i32'
                if specialized and value % 16 == 0:
                    divisible[(index,)] = [['tt.divisibility', 16]]
        source = triton.compiler.ASTSource(fn=function, signature=signature, constexprs=constants, attrs=divisible)
        results.append(
            triton.compile(
                source,
                target=GPUTarget('cuda', compile_for.capability, 32),
                options=dict(num_warps=config.num_warps, num_stages=config.num_stages),
            )
        )

    def compile_for(capability, launches):
        compile_for.capability = capability
        launches()
        assert all(len(result.asm['cubin']) > 0 for result in results)
        assert all(result.metadata.shared <= SHARED_MEMORY for result in results)
        return [result.metadata.name for result in results]

    monkeypatch.setenv('TRITON_CACHE_DIR', str(tmp_path))
    monkeypatch.setattr(Autotuner, 'run', run)
    return compile_for


CAPABILITIES = [(90, torch.float16), (90, torch.float32), (80, torch.bfloat16), (80, torch.float64)]


@pytest.mark.parametrize('capability, dtype', CAPABILITIES)
def test_reassembly_compiles(capability, dtype, compiled):
    def launches():
        from freqfusion_mm.ops.reassembly import triton_reassembly as kernels

        features, masks = torch.empty(2, 64, 16, 16, dtype=dtype), torch.empty(2, 25, 32, 32, dtype=dtype)
        out = kernels.forward(features, masks, 5, 1, 'zeros')
        kernels.backward(out, features, masks, 5, 1, 'reflect', needs=(True, False))
        kernels.backward(out, features, masks, 5, 1, 'replicate', needs=(False, True))

    assert compiled(capability, launches) == ['forward', 'grad_features', 'grad_masks']


@pytest.mark.parametrize('capability, dtype', CAPABILITIES[:3])
def test_fns_attention_compiles(capability, dtype, compiled):
    def launches():
        from freqfusion_mm.ops.reassembly import triton_fns_attention as kernels

        attn, value = torch.empty(2, 9, 64, 64), torch.empty(2, 64, 16, 16, dtype=dtype)
        out = kernels.forward(attn, value, 3)
        kernels.backward(out, attn, value, 3, needs=(False, True))
        kernels.backward(out, attn, value, 3, needs=(True, False))

    assert compiled(capability, launches) == ['forward', 'grad_features', 'grad_masks', '_gather_samples']


@pytest.mark.parametrize('capability, dtype', CAPABILITIES)
def test_kernels_and_similarity_compile(capability, dtype, compiled):
    def launches():
        from freqfusion_mm.ops.kernels import triton_normalize_kernels as normalize_kernels
        from freqfusion_mm.ops.similarity import triton_neighbour_similarity as neighbour_similarity

        logits = torch.empty(2, 25, 32, 32, dtype=dtype)
        kernels = normalize_kernels.forward(logits, 5, torch.ones(5, 5))
        normalize_kernels.backward(kernels, kernels, dtype, 5)
        features = torch.empty(2, 64, 32, 32, dtype=dtype)
        similarity = neighbour_similarity.forward(features)
        neighbour_similarity.backward(similarity, features)

    assert compiled(capability, launches) == [
        '_normalize',
        '_grad_logits',
        *('write_norms', 'write_similarity'),
        *('write_norms', 'grad_features'),
    ]
