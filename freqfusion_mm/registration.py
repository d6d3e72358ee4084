"""Every registered name on one page, in mmengine's ROOT registry, so that one name resolves from every scope.

Put it in a config: `custom_imports = dict(imports=['freqfusion_mm.registration'], allow_failed_imports=False)`.
mmseg, mmdet and mmpretrain are optional: the classes that wrap theirs are registered where they are installed.
"""

from importlib.util import find_spec

from mmengine.registry import HOOKS, METRICS, MODELS, PARAM_SCHEDULERS, TRANSFORMS, VISUALIZERS, Registry

from . import compat
from .datasets.transforms.label_ignored import LabelIgnored
from .engine.hooks.dataset_check import DatasetCheck
from .engine.hooks.exact_resume import ExactResume
from .engine.hooks.lift_regularization import LiftRegularization
from .engine.hooks.upsampler_monitor import UpsamplerMonitor
from .engine.schedulers.sawtooth_lr import SawtoothLR
from .evaluation.metrics.boundary_f1 import BoundaryF1
from .evaluation.metrics.boundary_iou import BoundaryIoU
from .evaluation.metrics.panoptic_quality import PanopticQuality
from .evaluation.metrics.subset_metric import SubsetMetric
from .evaluation.metrics.trimap_iou import TrimapIoU
from .layers.external import ExternalUpsampler
from .layers.registry import LOOKUPS, UPSAMPLERS
from .models.backbones import ESPNet, ESPNetV2, ESPNetV2WithImage, PooledResNet, PooledVGG, SegNet
from .models.necks import ESPNetV2SSDNeck, FusionFPN


def _register(registry: Registry, *classes: type) -> None:
    for cls in classes:
        registry.register_module(module=cls)


def _find_model(name: str) -> type | None:
    """What `upsample_cfg` may name beside ours: 'MyUp' or 'scope.MyUp', registered there or in the default scope."""
    with MODELS.switch_scope_and_registry(None) as registry:
        return registry.get(name)


LOOKUPS.append(_find_model)
compat.apply()

# By their class names: mmcv holds 'nearest', 'bilinear', 'deconv', 'pixel_shuffle' and 'carafe'.
_register(MODELS, *UPSAMPLERS.values(), ExternalUpsampler)
_register(MODELS, ESPNetV2SSDNeck, FusionFPN)
_register(MODELS, ESPNet, ESPNetV2, ESPNetV2WithImage, PooledResNet, PooledVGG, SegNet)
_register(HOOKS, DatasetCheck, ExactResume, LiftRegularization, UpsamplerMonitor)
_register(METRICS, BoundaryF1, BoundaryIoU, PanopticQuality, SubsetMetric, TrimapIoU)
_register(TRANSFORMS, LabelIgnored)
_register(PARAM_SCHEDULERS, SawtoothLR)

if find_spec('mmseg'):
    from .models.backbones.fusion_context_path import FusionBiSeNetV1, FusionSTDCContextPathNet
    from .models.backbones.fusion_erfnet import FusionERFNet
    from .models.backbones.fusion_hrnet import FusionHRNet
    from .models.backbones.fusion_two_branches import FusionBiSeNetV2, FusionDDRNet, FusionFastSCNN, FusionPIDNet
    from .models.backbones.fusion_unet import FusionUNet
    from .models.backbones.resnet_with_stem import ResNetWithStem
    from .models.backbones.vit_with_image import VisionTransformerWithImage
    from .models.decode_heads import (
        EESPNetSegHead,
        ESPNetCHead,
        ESPNetHead,
        ESPNetV2Head,
        FusionBTSHead,
        FusionDepthHead,
        FusionDPTHead,
        FusionFCNHead,
        FusionHamHead,
        FusionLRASPPHead,
        FusionOCRHead,
        FusionPSAHead,
        FusionSegformerHead,
        FusionSemanticFPNHead,
        FusionSepASPPHead,
        FusionSETRMLAHead,
        FusionSETRUPHead,
        FusionSideAdapterCLIPHead,
        FusionUNetHead,
        FusionUPerHead,
        ImageGuidedFCNHead,
    )
    from .models.necks.fusion_ic_neck import FusionICNeck
    from .models.necks.fusion_jpu import FusionJPU
    from .models.necks.fusion_plain_pyramids import FusionFeature2Pyramid, FusionMultiLevelNeck

    _register(MODELS, FusionBiSeNetV1, FusionSTDCContextPathNet, FusionUNet, FusionICNeck, FusionJPU)
    _register(MODELS, FusionFeature2Pyramid, FusionMultiLevelNeck)
    _register(MODELS, FusionERFNet, FusionHRNet, FusionDPTHead, FusionPSAHead, FusionSideAdapterCLIPHead)
    _register(MODELS, FusionBiSeNetV2, FusionDDRNet, FusionFastSCNN, FusionPIDNet)
    _register(MODELS, FusionSETRMLAHead, FusionSETRUPHead)
    _register(MODELS, FusionFCNHead, FusionOCRHead, FusionLRASPPHead, FusionSepASPPHead)
    _register(MODELS, ResNetWithStem, VisionTransformerWithImage)
    _register(MODELS, FusionHamHead, FusionSegformerHead, FusionSemanticFPNHead, FusionUNetHead, FusionUPerHead)
    _register(MODELS, FusionBTSHead, FusionDepthHead, ImageGuidedFCNHead)
    _register(MODELS, EESPNetSegHead, ESPNetCHead, ESPNetHead, ESPNetV2Head)

if find_spec('mmdet'):
    from .datasets.transforms.load_panoptic import LoadPanopticSegments
    from .models.backbones.fusion_det_hrnet import FusionDetHRNet
    from .models.backbones.fusion_hourglass import FusionHourglassNet
    from .models.dense_heads import PointwiseSSDHead
    from .models.mask_heads import (
        FusionDecoupledSOLOHead,
        FusionDecoupledSOLOLightHead,
        FusionDynamicMaskHead,
        FusionFCNMaskHead,
        FusionFeatureRelayHead,
        FusionFusedSemanticHead,
        FusionGridHead,
        FusionHTCMaskHead,
        FusionPanopticFPNHead,
        FusionRTMDetInsSepBNHead,
        FusionSCNetMaskHead,
        FusionSCNetSemanticHead,
        FusionSOLOHead,
        FusionSOLOV2Head,
        FusionYOLACTProtonet,
    )
    from .models.necks.fusion_bfp import FusionBFP
    from .models.necks.fusion_ct_resnet_neck import FusionCTResNetNeck
    from .models.necks.fusion_dyhead import FusionDyHead
    from .models.necks.fusion_fpg import FusionFPG
    from .models.necks.fusion_fpn_variants import FusionCLRFPN, FusionFPNDropBlock, FusionPAFPN, FusionRFP
    from .models.necks.fusion_hrfpn import FusionHRFPN
    from .models.necks.fusion_nas import FusionNASFCOSFPN, FusionNASFPN
    from .models.necks.fusion_pafpn import FusionCSPNeXtPAFPN, FusionYOLOXPAFPN
    from .models.necks.fusion_yolo_neck import FusionYOLOV3Neck
    from .models.pixel_decoders import (
        FusionMSDeformAttnPixelDecoder,
        FusionPixelDecoder,
        FusionTransformerEncoderPixelDecoder,
    )
    from .visualization.panoptic_visualizer import PanopticVisualizer

    _register(MODELS, FusionCSPNeXtPAFPN, FusionYOLOXPAFPN, FusionFPNDropBlock, FusionHRFPN, FusionPAFPN)
    _register(MODELS, FusionDetHRNet, FusionHourglassNet, FusionRFP, FusionYOLOV3Neck)
    _register(
        MODELS, FusionBFP, FusionDyHead, FusionCLRFPN, FusionCTResNetNeck, FusionFPG, FusionNASFCOSFPN, FusionNASFPN
    )
    _register(MODELS, FusionDynamicMaskHead, FusionFCNMaskHead, FusionHTCMaskHead, FusionSCNetMaskHead)
    _register(MODELS, FusionFeatureRelayHead, FusionGridHead, FusionRTMDetInsSepBNHead, FusionSOLOV2Head)
    _register(MODELS, FusionDecoupledSOLOHead, FusionDecoupledSOLOLightHead, FusionSOLOHead)
    _register(MODELS, FusionFusedSemanticHead, FusionPanopticFPNHead, FusionSCNetSemanticHead, FusionYOLACTProtonet)
    _register(MODELS, FusionMSDeformAttnPixelDecoder, FusionPixelDecoder, FusionTransformerEncoderPixelDecoder)
    _register(MODELS, PointwiseSSDHead)
    _register(TRANSFORMS, LoadPanopticSegments)
    _register(VISUALIZERS, PanopticVisualizer)
