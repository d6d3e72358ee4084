"""The page that shows what upsamplers do at one image, and its figures."""
