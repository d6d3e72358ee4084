"""What the frameworks' evaluation lacks: panoptic quality without panopticapi, changed images, feature similarity."""
