"""What tools measure beyond a metric: features, robustness, gridding."""
