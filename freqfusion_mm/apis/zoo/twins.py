"""What upsamples features in the two zoos: our twin of each stock module, or the reason why there is none."""

from typing import NamedTuple


class Twin(NamedTuple):
    """Our module in place of a stock one.

    Attributes:
        name: our type.
        takes: what its `forward` takes: 'pyramid', 'pyramid and image', 'head', 'levels', 'plain', 'regions',
            'vectors', 'image', 'tokens' or 'decoder'.
        interpolation: type of the stock upsampling where the stock config does not say it.
        also: what the line has to say beside the two types.
    """

    name: str
    takes: str
    interpolation: str
    also: tuple[tuple[str, object], ...] = ()


#: stock type, with its scope where both frameworks have one -> our twin.
TWINS = {
    'FPN': Twin('FusionFPN', 'pyramid', 'nearest'),
    'FPN_CARAFE': Twin('FusionFPN', 'pyramid', 'carafe', (('add_extra_convs', 'fused'),)),
    'FPN_DropBlock': Twin('FusionFPNDropBlock', 'pyramid', 'nearest'),
    'PAFPN': Twin('FusionPAFPN', 'pyramid', 'nearest'),
    'HRFPN': Twin('FusionHRFPN', 'pyramid', 'bilinear'),
    'YOLOXPAFPN': Twin('FusionYOLOXPAFPN', 'pyramid', 'nearest'),
    'CSPNeXtPAFPN': Twin('FusionCSPNeXtPAFPN', 'pyramid', 'nearest'),
    'YOLOV3Neck': Twin('FusionYOLOV3Neck', 'pyramid', 'nearest'),
    'RFP': Twin('FusionRFP', 'pyramid and image', 'nearest'),
    'CLRFPN': Twin('FusionCLRFPN', 'pyramid', 'nearest'),
    'FPG': Twin('FusionFPG', 'pyramid', 'nearest'),
    'NASFPN': Twin('FusionNASFPN', 'pyramid', 'nearest'),
    'NASFCOS_FPN': Twin('FusionNASFCOSFPN', 'pyramid', 'nearest'),
    'CTResNetNeck': Twin('FusionCTResNetNeck', 'pyramid', 'deconv'),
    'BFP': Twin('FusionBFP', 'levels', 'nearest'),
    'DyHead': Twin('FusionDyHead', 'levels', 'bilinear'),
    'FusedSemanticHead': Twin('FusionFusedSemanticHead', 'levels', 'bilinear'),
    'SCNetSemanticHead': Twin('FusionSCNetSemanticHead', 'levels', 'bilinear'),
    'PanopticFPNHead': Twin('FusionPanopticFPNHead', 'levels', 'bilinear'),
    'SOLOHead': Twin('FusionSOLOHead', 'levels', 'bilinear'),
    'DecoupledSOLOHead': Twin('FusionDecoupledSOLOHead', 'levels', 'bilinear'),
    'DecoupledSOLOLightHead': Twin('FusionDecoupledSOLOLightHead', 'levels', 'bilinear'),
    'SOLOV2Head': Twin('FusionSOLOV2Head', 'levels', 'bilinear'),
    'RTMDetInsSepBNHead': Twin('FusionRTMDetInsSepBNHead', 'levels', 'bilinear'),
    'YOLACTProtonet': Twin('FusionYOLACTProtonet', 'levels', 'bilinear'),
    'GridHead': Twin('FusionGridHead', 'regions', 'deconv'),
    'FeatureRelayHead': Twin('FusionFeatureRelayHead', 'vectors', 'bilinear'),
    'mmdet.HRNet': Twin('FusionDetHRNet', 'image', 'nearest'),
    'HourglassNet': Twin('FusionHourglassNet', 'image', 'nearest'),
    'PixelDecoder': Twin('FusionPixelDecoder', 'decoder', 'nearest'),
    'TransformerEncoderPixelDecoder': Twin('FusionTransformerEncoderPixelDecoder', 'decoder', 'nearest'),
    'MSDeformAttnPixelDecoder': Twin('FusionMSDeformAttnPixelDecoder', 'decoder', 'bilinear'),
    'FCNMaskHead': Twin('FusionFCNMaskHead', 'regions', 'deconv'),
    'HTCMaskHead': Twin('FusionHTCMaskHead', 'regions', 'deconv'),
    'SCNetMaskHead': Twin('FusionSCNetMaskHead', 'regions', 'deconv'),
    'DynamicMaskHead': Twin('FusionDynamicMaskHead', 'regions', 'deconv'),
    'UPerHead': Twin('FusionUPerHead', 'head', 'bilinear'),
    'SegformerHead': Twin('FusionSegformerHead', 'head', 'bilinear'),
    'FPNHead': Twin('FusionSemanticFPNHead', 'head', 'bilinear'),
    'LightHamHead': Twin('FusionHamHead', 'head', 'bilinear'),
    'FCNHead': Twin('FusionFCNHead', 'head', 'bilinear'),
    'OCRHead': Twin('FusionOCRHead', 'head', 'bilinear'),
    'DepthwiseSeparableASPPHead': Twin('FusionSepASPPHead', 'head', 'bilinear'),
    'PSAHead': Twin('FusionPSAHead', 'head', 'bilinear'),
    'LRASPPHead': Twin('FusionLRASPPHead', 'head', 'bilinear'),
    'UNet': Twin('FusionUNet', 'image', 'bilinear'),
    'JPU': Twin('FusionJPU', 'pyramid', 'bilinear'),
    'ICNeck': Twin('FusionICNeck', 'pyramid', 'bilinear'),
    'BiSeNetV1': Twin('FusionBiSeNetV1', 'image', 'nearest'),
    'BiSeNetV2': Twin('FusionBiSeNetV2', 'image', 'bilinear'),
    'DDRNet': Twin('FusionDDRNet', 'image', 'bilinear'),
    'PIDNet': Twin('FusionPIDNet', 'image', 'bilinear'),
    'FastSCNN': Twin('FusionFastSCNN', 'image', 'bilinear'),
    'SETRUPHead': Twin('FusionSETRUPHead', 'head', 'bilinear'),
    'SETRMLAHead': Twin('FusionSETRMLAHead', 'head', 'bilinear'),
    'MultiLevelNeck': Twin('FusionMultiLevelNeck', 'plain', 'bilinear'),
    'Feature2Pyramid': Twin('FusionFeature2Pyramid', 'plain', 'deconv'),
    'mmseg.HRNet': Twin('FusionHRNet', 'image', 'bilinear'),
    'ERFNet': Twin('FusionERFNet', 'image', 'deconv'),
    'DPTHead': Twin('FusionDPTHead', 'tokens', 'bilinear'),
    'SideAdapterCLIPHead': Twin('FusionSideAdapterCLIPHead', 'tokens', 'bilinear'),
    'STDCContextPathNet': Twin('FusionSTDCContextPathNet', 'image', 'nearest'),
}
#: stock type -> why our line does not reach it.
UNREACHED = {
    'ATSSVLFusionHead': 'its constructor needs the package transformers, whose BERT is a part of it; no twin',
    'BoxInstMaskHead': 'adds its levels by an `aligned_bilinear` of its own, in whole ratios; no twin',
    'CondInstMaskHead': 'adds its levels by an `aligned_bilinear` of its own, in whole ratios; no twin',
    'VPD': 'its diffusion network is that of the package ldm, which builds its own upsampling',
    'VPDDepthHead': 'three kinds of upsampling, behind a backbone that needs the package ldm; no twin',
}
#: stock types that upsample features only with one of these options.
ONLY_WITH = {
    'FCNHead': ('input_transform', 'resize_concat'),
    'OCRHead': ('input_transform', 'resize_concat'),
}
