"""The page of an explanation, in a real browser."""

import base64
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

pytest.importorskip('jinja2', reason='the page is made by Jinja')
pytest.importorskip('matplotlib', reason='the figures are drawn by matplotlib')

from matplotlib import colormaps  # noqa: E402
from webdriver import Browser, why_no_browser  # noqa: E402

from freqfusion_mm.evaluation.analysis.fusion_calls import recorded_bands, recorded_fusions  # noqa: E402
from freqfusion_mm.evaluation.analysis.fusion_views import ModelView, view_fusion  # noqa: E402
from freqfusion_mm.evaluation.analysis.gridding import blocks_of, measure_with_and_without  # noqa: E402
from freqfusion_mm.layers import ESP, LiftDownPool, build_fusion  # noqa: E402
from freqfusion_mm.visualization.explain.figures import (  # noqa: E402
    draw_features,
    draw_figures,
    offsets_figure,
    save_figures,
)
from freqfusion_mm.visualization.explain.maps import show_maps  # noqa: E402
from freqfusion_mm.visualization.explain.page import _clickable, write_page  # noqa: E402

COARSE, FINE, SIZE = (6, 8), (12, 16), (48, 64)
#: Shares of the input, height and width, that the photograph fills.
FILLED = (0.75, 1.0)
METHODS = ['FreqFusion', 'ReSFU', 'DySample', 'nearest']


def needs_browser(test):
    """It starts one, and draws every figure before."""
    return pytest.mark.slow(pytest.mark.skipif(why_no_browser() is not None, reason=str(why_no_browser()))(test))


class Net(nn.Module):
    def __init__(self, method):
        super().__init__()
        self.backbone = nn.Sequential(LiftDownPool(8), ESP(8, 16))
        self.fusions = nn.ModuleList([build_fusion(method, 8, 8), build_fusion(method, 8, 8)])

    def forward(self, lr_feat, hr_feat):
        self.backbone(hr_feat)
        for fusion in self.fusions:
            fusion(lr_feat, hr_feat)


@torch.no_grad()
def view(method, title=None, filled=FILLED):
    net = Net(method).eval()
    for parameter in net.parameters():
        parameter.add_(0.2 * torch.randn_like(parameter))
    rng = np.random.default_rng(0)
    with recorded_fusions(net) as calls, recorded_bands(net) as bands:
        net(torch.randn(1, 8, *COARSE), torch.randn(1, 8, *FINE))
    label = torch.randint(0, 2, SIZE)
    return ModelView(
        title=title or method,
        config=f'configs/{method}.py',
        checkpoint='iter_1.pth',
        task='segmentation',
        parameters=1234567,
        picture=rng.integers(0, 255, (*SIZE, 3), np.uint8),
        filled=filled,
        fusions={call.name: view_fusion(call, label, num_classes=2) for call in calls},
        bands=bands,
        gridding=measure_with_and_without(blocks_of(net)),
        prediction=rng.integers(0, 255, (*SIZE, 3), np.uint8),
        errors=rng.integers(0, 255, (*SIZE, 3), np.uint8),
        trimap={1: 40.0, 2: 45.0, 4: 50.0},
    )


@pytest.fixture(scope='module')
def views():
    torch.manual_seed(0)
    return [view(method) for method in METHODS]


@pytest.fixture(scope='module')
def page(views, tmp_path_factory):
    out = tmp_path_factory.mktemp('page') / 'explain.html'
    assert write_page(views, draw_figures(views), out, 'photo <1>.jpg') == out.stat().st_size <= 5 * 2**20
    return out


@pytest.fixture(scope='module')
def browser(page):
    with Browser() as browser:
        yield browser


@pytest.fixture
def opened(browser, page):
    browser.open(page)
    browser.until('return document.body.dataset.drawn === "1"')
    return browser


def choose(browser, which, value):
    """Another entry of a select; waits until the page has drawn it."""
    drawn = browser.run('return document.body.dataset.drawn')
    script = """const select = document.getElementById(arguments[0]);
        select.value = arguments[1]; select.dispatchEvent(new Event('change'))"""
    browser.run(script, which, str(value))
    browser.until(f'return Number(document.body.dataset.drawn) > {drawn}')


def cells(browser, selector):
    script = 'return [...document.querySelectorAll(arguments[0])].map((cell) => cell.textContent)'
    return browser.run(script, selector)


def click(browser, x, y):
    drawn = browser.run('return document.body.dataset.drawn')
    browser.click('#viewer', x, y)
    browser.until(f'return Number(document.body.dataset.drawn) > {drawn}')


@needs_browser
def test_opens_without_a_network(opened, page):
    assert opened.errors() == []
    assert set(opened.requests()) <= {page.as_uri()}
    text = opened.run('return document.body.innerText')
    for words in (
        'photo <1>.jpg',
        'Sub-bands of LiftPool',
        'Gridding',
        'Offsets',
        'Near borders',
        'Spectra',
        '1,234,567',
    ):
        assert words in text, words
    broken = 'return [...document.images].filter((image) => !image.complete || !image.naturalWidth).length'
    assert opened.run(broken) == 0
    wide = 'return document.documentElement.scrollWidth <= document.documentElement.clientWidth'
    assert opened.run(wide)


@needs_browser
@pytest.mark.parametrize('x, y', [(0.3, 0.6), (0.02, 0.97), (0.97, 0.04)])
def test_a_click_shows_the_kernel(opened, views, x, y):
    click(opened, x, y)
    # The mouse hits whole pixels of the screen, so which pixel it is is read from the page.
    caption = cells(opened, '#left-inside figcaption')[0]
    row, column = (int(part) for part in caption.partition('(')[2].rstrip(')').split(', '))
    assert abs(row - y * FILLED[0] * FINE[0]) <= 1 and abs(column - x * FILLED[1] * FINE[1]) <= 1
    seen = views[0].fusions['fusions.1']
    expected = seen.kernels()[row, column, 0].ravel()
    tables = opened.run(
        "return [...document.querySelectorAll('#left-inside .taps')].map((t) => [...t.querySelectorAll('td')]"
        '.map((cell) => Number(cell.textContent)))'
    )
    np.testing.assert_allclose(tables[0], expected, atol=1e-3)
    np.testing.assert_allclose(tables[1], seen.kernels('highpass')[row, column, 0].ravel(), atol=1e-3)
    offsets = [float(text[2:]) for text in cells(opened, '#left-inside .points td') if text[:2] in ('x ', 'y ')]
    np.testing.assert_allclose(offsets, seen.offsets()[row, column].ravel(), atol=6e-3)
    assert opened.errors() == []


@needs_browser
def test_attention_points_and_methods_without_kernels(opened, views):
    choose(opened, 'right-model', 1)
    assert cells(opened, '#right-inside figcaption')[0].startswith('attention of fine pixel')
    choose(opened, 'right-model', 2)
    assert cells(opened, '#right-inside figcaption') == ['offsets (coarse pixels)']
    assert len(cells(opened, '#right-inside .points tr')) == views[2].fusions['fusions.1'].offsets().shape[2]
    choose(opened, 'right-model', 3)
    assert cells(opened, '#right-inside figcaption') == ['Nearest predicts neither kernels nor offsets']
    assert opened.errors() == []


@needs_browser
def test_models_that_pad_differently_show_one_place(browser, views, tmp_path):
    both = [views[0], view('FreqFusion', 'other', filled=(1.0, 0.5))]
    write_page(both, {}, tmp_path / 'page.html', 'a')
    browser.open(tmp_path / 'page.html')
    browser.until('return document.body.dataset.drawn === "1"')
    click(browser, 0.6, 0.6)
    for side, each in zip(('left', 'right'), both):
        caption = cells(browser, f'#{side}-inside figcaption')[0]
        row, column = (int(part) for part in caption.partition('(')[2].rstrip(')').split(', '))
        assert abs(row - 0.6 * each.filled[0] * FINE[0]) <= 1 and abs(column - 0.6 * each.filled[1] * FINE[1]) <= 1
    boxes = browser.run(
        "return ['viewer', 'left-image', 'right-image'].map((id) => document.getElementById(id))"
        '.map((box) => [box.clientHeight, box.clientWidth])'
    )
    viewer, left, right = np.array(boxes)
    np.testing.assert_allclose(left, viewer / both[0].filled, atol=1.5)
    np.testing.assert_allclose(right, viewer / both[1].filled, atol=1.5)
    height, width = np.array(SIZE) * FILLED
    assert abs(viewer[1] / viewer[0] - width / height) < 0.02
    assert cells(browser, '#place')[0].endswith(f'of {width:.0f} x {height:.0f}')
    clip = browser.run("return document.getElementById('right-image').style.clipPath")
    assert clip == 'inset(0px 0px 0px 25%)'  # of an image that is twice as wide as the viewer
    assert browser.errors() == []


@needs_browser
def test_the_slider_moves_the_edge(opened):
    clip = "return [document.getElementById('right-image').style.clipPath, document.getElementById('edge').style.left]"
    assert opened.run(clip) == ['inset(0px 0px 0px 50%)', '50%']
    opened.click('#slider', 0.25)
    assert opened.run(clip) != ['inset(0px 0px 0px 50%)', '50%']
    assert 23 <= float(opened.run(clip)[1].rstrip('%')) <= 27
    opened.keys('#slider', '\ue014')  # the right arrow: one more
    assert 24 <= float(opened.run(clip)[1].rstrip('%')) <= 28
    assert opened.errors() == []


@needs_browser
def test_zoom_and_maps(opened):
    pixels = """const canvas = document.getElementById(arguments[0]);
        return canvas.toDataURL()"""
    before = opened.run(pixels, 'left-zoom-shown')
    click(opened, 0.8, 0.2)
    moved = opened.run(pixels, 'left-zoom-shown')
    assert moved != before
    choose(opened, 'left-map', 'bandwidth')
    assert opened.run(pixels, 'left-zoom-shown') != moved
    source = opened.run("return document.getElementById('left-image').src")
    choose(opened, 'fusion', 0)
    assert opened.run("return document.getElementById('left-image').src") != source
    options = cells(opened, '#left-map option')
    assert options[0] == 'input' and any(option.startswith('margin to the other') for option in options)
    assert opened.errors() == []


def test_one_palette_and_one_scale(views):
    shown = show_maps(views, 'fusions.1')
    assert {'before', 'after', 'change', 'consistency', 'margin'} <= set(shown[-1])
    assert 'bandwidth' not in shown[-1] and 'bandwidth' in shown[0]
    for key in ('change', 'consistency', 'entropy'):
        assert len({(maps[key].low, maps[key].high) for maps in shown if key in maps}) == 1
    assert (shown[0]['entropy'].low, shown[0]['entropy'].high) == (0, 1)
    assert shown[0]['change'].low == shown[0]['fine_change'].low == 0
    share = (views[0].fusions['fusions.1'].margin + 1) / 2  # of a scale from -1 to 1
    colours = (255 * colormaps['RdBu'](share)[..., :3]).astype(np.uint8)
    np.testing.assert_array_equal(shown[0]['margin'].picture, colours)


def test_a_pixel_that_the_image_fills_in_part_is_no_padding(views):
    assert views[0].without_padding(np.zeros((2, 5, 7))).shape == (2, 4, 7)  # 3.75 of five rows


def test_arrows_have_their_true_length(views):
    """In a picture of another shape a coarse pixel is not as wide as it is high."""
    seen = views[2].fusions['fusions.0']
    arrows = offsets_figure({'DySample': seen}, {'DySample': np.zeros((60, 32, 3), np.uint8)}).axes[0].collections[0]
    x, y = seen.offsets().mean(axis=2).reshape(-1, 2).T
    np.testing.assert_allclose(arrows.U, x * 32 / COARSE[1], rtol=1e-5)
    np.testing.assert_allclose(arrows.V, y * 60 / COARSE[0], rtol=1e-5)
    np.testing.assert_allclose(arrows.XY[0], (0.5 * 32 / FINE[1], 0.5 * 60 / FINE[0]))


def test_a_click_shows_the_middle_of_the_pixels_that_share_an_answer(views):
    seen = views[2].fusions['fusions.0']
    found = _clickable(seen, values=-(-seen.offsets().size // 9))
    packed = found['offsets']
    numbers = np.frombuffer(zlib.decompress(base64.b64decode(packed['bytes'])), '<i2') * packed['unit']
    assert found['step'] == 3
    np.testing.assert_allclose(
        numbers.reshape(packed['shape']), seen.offsets()[1::3, 1::3], atol=np.abs(numbers).max() / 3e4
    )


@pytest.mark.slow
def test_models_without_the_fusion(views, tmp_path):
    other = view('FreqFusion', 'other')
    other.fusions = {f'neck.{name}': each for name, each in other.fusions.items()}
    both = [views[0], other]
    figures = draw_figures(both)
    assert {'fusions.0.spectra', 'neck.fusions.1.spectra', 'neck.fusions.1.offsets', 'trimap'} < set(figures)
    write_page(both, figures, tmp_path / 'page.html', 'a')
    assert 'neck.fusions.1' in (tmp_path / 'page.html').read_text()


@pytest.mark.slow
def test_figures(views, tmp_path):
    both = [replace(each, fusions={'fusions.1': each.fusions['fusions.1']}) for each in views[:2]]
    both[1].title = 'a/b c'
    save_figures(draw_figures(both) | draw_features(both), tmp_path / 'figures')
    names = {path.name for path in (tmp_path / 'figures').iterdir()}
    for stem in ('prediction', 'trimap', 'fusions.1.features', 'fusions.1.spectra', 'fusions.1.offsets'):
        assert (tmp_path / 'figures' / f'{stem}.png').read_bytes().startswith(b'\x89PNG')
        assert (tmp_path / 'figures' / f'{stem}.pdf').read_bytes().startswith(b'%PDF')
    assert {'FreqFusion.gridding.pdf', 'a_b_c.backbone.0.bands.png'} < names


def test_the_page_is_made_to_fit(views, tmp_path):
    figures = dict(trimap=draw_figures(views[:1])['trimap'])
    whole = write_page(views[:2], figures, tmp_path / 'whole.html', 'a')
    assert write_page(views[:2], figures, tmp_path / 'fits.html', 'a', most=whole - 1000) <= whole - 1000
    with pytest.raises(ValueError, match=r'the page has .* MiB and may have 0.0: compare fewer models'):
        write_page(views[:2], figures, tmp_path / 'never.html', 'a', most=10)
    assert not (tmp_path / 'never.html').exists()
