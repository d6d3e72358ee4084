# FADE-Lite (IJCV 2024).
upsample_cfg = dict(type='FADE', lite=True)
