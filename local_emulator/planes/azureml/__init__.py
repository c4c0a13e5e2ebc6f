"""The local Azure Machine Learning: its control plane, as Resource Manager serves it."""
