"""What upsamplers add to a model's parameters, beside what the papers print, to the last digit that they print,
up to the third decimal."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2] / 'configs'
MODELS = {
    model['Name']: model['Metadata']
    for metafile in sorted(ROOT.glob('*/metafile.yml'))
    for model in yaml.safe_load(metafile.read_text())['Models']
}
SEGFORMER = 'segformer_mit-b1_{}_8xb2-160k_ade20k-512x512'
UPERNET = 'upernet_r50_{}_4xb4-80k_ade20k-512x512'
MASKFORMER = 'maskformer_swin-b-in22k_{}_8xb2-160k_ade20k-640x640'
MASK2FORMER = 'mask2former_swin-b-in22k_{}_8xb2-160k_ade20k-640x640'
FASTER_RCNN, PANOPTIC_FPN = 'faster-rcnn_{}_1x_coco', 'panoptic-fpn_{}_1x_coco'
SEGNEXT = 'segnext_mscan-t_{}_1xb16-160k_ade20k-512x512'
BTS = 'bts_r50_{}_1xb4-50e_nyu-480x480'
PLAIN = {
    SEGFORMER: 'bilinear',
    UPERNET: 'bilinear',
    SEGNEXT: 'bilinear',
    MASKFORMER: 'nearest',
    MASK2FORMER: 'bilinear',
    FASTER_RCNN: 'r50_nearest',
    PANOPTIC_FPN: 'r50_nearest',
    BTS: 'nearest',
}

#: Rows of a baseline, M as text: the digits count. FADE, SAPA and DySample READMEs and that of SAPA's extension.
PUBLISHED = [
    (SEGFORMER, 'bilinear', dict(carafe='0.44', indexnet='12.60', a2u='0.06', fade='0.29', sapa='0.1')),
    (SEGFORMER, 'bilinear', {'fade-lite': '0.08', 'deconv': '3.5', 'sapa-i': '0', 'sapa-d': '0.8'}),
    (UPERNET, 'bilinear', {'deconv': '7.1', 'pixel-shuffle': '28.3', 'carafe': '0.3', 'indexnet': '25.2'}),
    (UPERNET, 'bilinear', {'a2u': '0.1', 'sapa-i': '0', 'sapa': '0.1'}),
    (MASKFORMER, 'nearest', {'carafe': '0.22', 'indexnet': '6.30', 'a2u': '0.03', 'sapa-i': '0.00', 'sapa': '0.05'}),
    (MASK2FORMER, 'bilinear', {'carafe': '0.07', 'indexnet': '2.10', 'a2u': '0.01', 'sapa-i': '0.00', 'sapa': '0.02'}),
    (FASTER_RCNN, 'r50_nearest', {'r50_deconv': '2.4', 'r50_pixel-shuffle': '9.4', 'r50_carafe': '0.3'}),
    (FASTER_RCNN, 'r50_nearest', {'r50_indexnet': '8.4', 'r50_fade': '0.2', 'r50_sapa-d': '0.6', 'r50_sapa': '0.1'}),
    (FASTER_RCNN, 'r50_nearest', {'r50_dysample': '0.0327', 'r50_dysample-plus': '0.0655'}),
    (FASTER_RCNN, 'r101_nearest', {'r101_sapa-d': '0.6', 'r101_dysample-plus': '0.0655'}),
    (PANOPTIC_FPN, 'r50_nearest', {'r50_deconv': '1.8', 'r50_pixel-shuffle': '7.1', 'r50_carafe': '0.2'}),
    (PANOPTIC_FPN, 'r50_nearest', {'r50_indexnet': '6.3', 'r50_fade': '0.1', 'r50_sapa': '0.1'}),
    (PANOPTIC_FPN, 'r50_nearest', {'r50_dysample': '0.0246', 'r50_dysample-plus': '0.0492'}),
    (BTS, 'nearest', {'carafe': '0.41', 'a2u': '0.08', 'sapa': '0.16', 'sapa-g': '0.25'}),
]
#: Those whose printed digit is another: printed, ours, and what gives the printed one, if something does.
DIFFERENT = {
    UPERNET.format('sapa-d'): ('0.1', '0.8'),
    UPERNET.format('fade'): ('0.1', '0.2'),
    SEGFORMER.format('sapa-g'): ('0.1', '0.2'),
    SEGFORMER.format('pixel-shuffle'): ('3.5', '14.2'),
    MASKFORMER.format('sapa-g'): ('0.05', '0.08'),
    MASK2FORMER.format('sapa-g'): ('0.02', '0.03'),
    BTS.format('indexnet'): ('44.20', '44.19'),
    SEGFORMER.format('a2u'): ('0.12', '0.06'),
    PANOPTIC_FPN.format('r50_a2u'): ('0.0292', '0.0320'),
    FASTER_RCNN.format('r50_sapa-g'): ('0.05', '0.10'),
    SEGFORMER.format('freqfusion'): ('0.34', '0.55'),
    SEGNEXT.format('freqfusion'): ('0.18', '0.34'),
}


def added(name):
    template = next(template for template in PLAIN if name.startswith(template.partition('{')[0]))
    return MODELS[name]['Parameters (M)'] - MODELS[template.format(PLAIN[template])]['Parameters (M)']


def decimals(text):
    return len(text.partition('.')[2])


@pytest.mark.parametrize('template, plain, rows', PUBLISHED)
def test_the_printed_digit_is_ours(template, plain, rows):
    baseline = MODELS[template.format(plain)]['Parameters (M)']
    for method, printed in rows.items():
        found = MODELS[template.format(method)]['Parameters (M)'] - baseline
        # metafiles state three decimals, each half a unit off
        assert abs(found - float(printed)) <= 0.5 * 10 ** -decimals(printed) + 0.001, (method, found, printed)


@pytest.mark.parametrize('name', DIFFERENT)
def test_a_digit_that_differs_is_explained_beside_its_row(name):
    printed, ours = DIFFERENT[name]
    assert f'{added(name):.{decimals(ours)}f}' == ours
    note = MODELS[name]['Published Parameters']
    assert note.startswith(f'+{printed} M') and len(note) > 40


def millions(channels, steps, biases=True, **cfg):
    from freqfusion_mm.layers import build_fusion

    weights = build_fusion(cfg, channels, channels).parameters()
    return steps * sum(weight.numel() for weight in weights if biases or weight.ndim > 1) / 1e6


def test_the_fourth_decimal_of_dysample_counts_no_biases():
    """Its README prints 0.0327 for the first, one less in the last digit."""
    counts = [
        f'{millions(256, steps, biases=False, type="DySample", dynamic_scope=dynamic):.4f}'
        for dynamic in (False, True)
        for steps in (4, 3)
    ]
    assert counts == ['0.0328', '0.0246', '0.0655', '0.0492']
    assert f'{millions(256, 4, type="DySample"):.4f}' == '0.0329'


def test_what_would_give_the_printed_digit():
    assert round(millions(512, 3, type='SAPA-D'), 1) == 0.8
    assert round(millions(512, 3, type='SAPA-D', groups=1, high_offset=False), 1) == 0.1
    assert round(millions(512, 3, type='FADE', gated=False), 1) == 0.2
    assert round(millions(512, 3, type='FADE', lite=True, gated=False), 1) == 0.1
    for steps, printed in ((6, 0.1), (3, 0.05), (1, 0.02)):  # SAPA-B's count stands in SAPA-G's row
        digits = 1 if steps == 6 else 2
        assert round(millions(256, steps, type='SAPA'), digits) == printed
        assert round(millions(256, steps, type='SAPA', gated=True), digits) > printed
