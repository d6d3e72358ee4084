"""What plugs into the models of mmdet, mmseg and mmpretrain: backbones, necks, decode heads, pixel decoders."""
