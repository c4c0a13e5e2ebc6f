"""Where the components run, and what they import."""

from __future__ import annotations

BASE_IMAGE = "python:3.11-slim"

# One list for every component, so that one environment serves them all. scikit-learn and xgboost are held to the
# releases in the prebuilt serving images (sklearn-cpu.1-5, xgboost-cpu.2-1), which must read what these write; a pickle
# made with numpy 1 can be read with numpy 1 and 2.
REQUIREMENTS = [
    "google-cloud-storage>=3,<4",
    "numpy>=1.26,<2",
    "scikit-learn>=1.5,<1.6",
    "xgboost-cpu>=2.1,<2.2",
]
