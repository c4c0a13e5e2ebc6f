"""Control planes of the machine-learning platforms: resources (the model) and their faces."""
