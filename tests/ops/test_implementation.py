"""The switch between implementations, and what the operators say about their choice."""

import logging
import threading

import pytest
import torch
from marks import needs_tracer

from freqfusion_mm import ops
from freqfusion_mm.layers import build_fusion
from freqfusion_mm.ops import carafe, implementation, normalize_kernels
from freqfusion_mm.ops.dispatch import _NAMES, Operator
from freqfusion_mm.ops.library import CAN_REGISTER


def maps(fine=(6, 8)):
    return torch.randn(1, 4, 3, 4, dtype=torch.float64), torch.randn(1, 9, *fine, dtype=torch.float64)


def registered(function):
    """Which operators of the package torch's dispatcher sees in a call."""

    class Seen(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            if func.namespace == 'freqfusion_mm':
                names.append((func._opname, args[-1]))
            return func(*args, **kwargs or {})

    names = []
    with Seen():
        function()
    return names


needs_registration = pytest.mark.skipif(not CAN_REGISTER, reason='torch registers Python operators from 2.4 on')


@needs_registration
def test_holds_while_it_is_open_and_the_call_comes_first():
    def call(**options):
        return registered(lambda: carafe(*maps(), 3, **options))

    assert call() == [('carafe', 'auto')]
    with implementation('reference'):
        assert call() == []
        assert call(impl='matmul') == [('carafe', 'matmul')]
        with implementation('shifted'):  # others keep what is around it
            assert call() == [('carafe', 'shifted')]
            assert registered(lambda: normalize_kernels(maps()[1], 3)) == []
        assert call() == []
    with pytest.raises(KeyError), implementation('reference'):
        raise KeyError
    assert call() == [('carafe', 'auto')]


@needs_registration
def test_other_threads_keep_theirs():
    found = []
    with implementation('reference'):
        thread = threading.Thread(target=lambda: found.extend(registered(lambda: carafe(*maps(), 3))))
        thread.start()
        thread.join()
    assert found == [('carafe', 'auto')]


@pytest.mark.parametrize('name', ['FreqFusion', 'SAPA', 'ReSFU'])
def test_whole_layers_by_the_definitions(name, assert_same):
    options = dict(embedding_channels=8) if name == 'SAPA' else dict(compressed_channels=8)
    fusion = build_fusion(dict(type=name, **options), 16, 16).double()
    feats = [torch.randn(1, 16, *size, dtype=torch.float64, requires_grad=True) for size in ((3, 4), (6, 8))]
    parameters = [*feats, *fusion.parameters()]
    outs = fusion(*feats)
    with implementation('reference'):
        definitions = fusion(*feats)
        if CAN_REGISTER:
            assert not {name for name, _ in registered(lambda: fusion(*feats))}
    grads = [torch.randn_like(out) for out in outs]
    for actual, expected in zip(outs, definitions):
        assert_same(actual, expected)
    for actual, expected in zip(
        *(torch.autograd.grad(way, parameters, grads, allow_unused=True) for way in (outs, definitions))
    ):
        if expected is not None:
            assert_same(actual, expected)


def test_functions_take_the_place_of_operators():
    features, masks = maps()
    seen = []

    def double(*args):
        seen.append(args[2:])
        return 2 * carafe(*args[:2], 3, impl='reference')

    expected = carafe(features, masks, 3)
    with implementation(dict(carafe=double)):
        torch.testing.assert_close(carafe(features, masks, 3, padding='zeros'), 2 * expected)
    assert seen == [(3, 1, 'zeros')]  # what the definition gets


def test_refusals():
    with pytest.raises(ValueError, match="no operator has an implementation 'cuda': choose one of .*matmul.*reference"):
        with implementation('cuda'):
            pass
    with pytest.raises(ValueError, match='no operator is called caraffe: there are .*carafe'):
        with implementation(dict(caraffe=carafe)):
            pass
    if not torch.cuda.is_available():
        with implementation('triton'), pytest.raises(ValueError, match="impl='triton' cannot run here"):
            carafe(*maps(), 3)


def test_every_operator_has_its_definition():
    operators = {
        'box_mean',
        'carafe',
        'fns_attention',
        'neighbour_similarity',
        'normalize_kernels',
        'window_similarity',
    }
    x = torch.rand(1, 1, 2, 2)
    with implementation(dict.fromkeys(operators, lambda *args: x)):
        assert all(
            getattr(ops, name)(*arguments) is x
            for name, arguments in {
                'box_mean': (x, 1),
                'carafe': (x, x, 1),
                'fns_attention': (x, x, 1),
                'neighbour_similarity': (x,),
                'normalize_kernels': (x, 1),
                'window_similarity': (x, x, 1),
            }.items()
        )


@needs_tracer
def test_compiled_code_keeps_what_it_was_traced_with():
    features, masks = maps()
    kernels = []

    def backend(graph, inputs):
        kernels.extend(str(node.target) for node in graph.graph.nodes if 'freqfusion_mm' in str(node.target))
        return graph

    compiled = torch.compile(lambda f, m: carafe(f, m, 3), fullgraph=True, backend=backend)
    with implementation('reference'):
        out = compiled(features, masks)
    torch.testing.assert_close(compiled(features, masks), out)
    assert kernels == []


def test_the_choice_is_logged_once(caplog):
    class Way:
        def why_not(self, x):
            return 'it is tired' if x.numel() > 1 else None

        def forward(self, x):
            return x + 1

    operator = Operator(
        'logged_for_a_test',
        'Tensor x',
        definition=lambda x: x + 1,
        fake=torch.empty_like,
        implementations={'first': Way(), 'last': type('Last', (Way,), dict(why_not=lambda *args: None))()},
        maps=1,
    )
    operator(torch.zeros(1))
    with caplog.at_level(logging.DEBUG, 'freqfusion_mm.ops'):
        for dtype in (torch.float32, torch.float32, torch.float64):
            operator(torch.zeros(1, dtype=dtype))
        operator(torch.zeros(2))
        operator(torch.zeros(1), impl='reference')
    assert [record.getMessage() for record in caplog.records] == [
        'logged_for_a_test: first on cpu in torch.float32',
        'logged_for_a_test: first on cpu in torch.float64',
        'logged_for_a_test: last on cpu in torch.float32',
        'logged_for_a_test: reference on cpu in torch.float32',
    ]
    with pytest.raises(ValueError, match="impl='first' cannot run here: it is tired. Use impl='auto'"):
        operator(torch.zeros(2), impl='first')


@pytest.mark.parametrize(
    'fine, picked', [((6, 8), 'matmul'), ((4, 3), 'matmul'), ((3, 4), 'shifted'), ((2, 4), 'shifted')]
)
def test_shifted_views_where_no_two_pixels_share_a_window(fine, picked, monkeypatch, caplog):
    from freqfusion_mm.ops.reassembly.carafe import _carafe

    monkeypatch.setattr(_carafe, '_logged', set())
    with caplog.at_level(logging.DEBUG, 'freqfusion_mm.ops'):
        carafe(*maps(fine), 3)
    assert [record.getMessage() for record in caplog.records] == [f'carafe: {picked} on cpu in torch.float64']


@pytest.mark.parametrize(
    'name, options, shapes, result',
    [
        ('carafe', (3,), ((0, 3, 2, 2), (0, 9, 4, 4)), (0, 3, 4, 4)),
        ('fns_attention', (3,), ((0, 9, 4, 4), (0, 3, 2, 2)), (0, 3, 4, 4)),
        ('window_similarity', (3,), ((0, 3, 4, 4), (0, 3, 2, 2)), (0, 9, 4, 4)),
        ('normalize_kernels', (3,), ((0, 18, 2, 2),), (0, 18, 2, 2)),
        ('neighbour_similarity', (), ((0, 3, 2, 2),), (0, 8, 2, 2)),
    ],
)
def test_a_batch_of_none(name, options, shapes, result):
    """As of proposals or crops: nothing, with a gradient, by each way."""
    for impl in ('auto', *_NAMES[name]):
        maps = [torch.zeros(shape, requires_grad=True) for shape in shapes]
        out = getattr(ops, name)(*maps, *options, impl=impl)
        out.sum().backward()
        assert out.shape == result and [each.grad.shape for each in maps] == list(shapes), impl
