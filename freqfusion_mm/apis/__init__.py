"""What a notebook and the commands call: configs, checkpoints, models, runners."""
