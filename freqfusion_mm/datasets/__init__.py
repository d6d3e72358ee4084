"""What the frameworks' data sets lack: a check of the folder, panoptic loading on its own."""
