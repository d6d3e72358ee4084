"""The normalisation of predicted kernels: definition and Triton kernel."""
