"""Static checks of a whole project, one rule a module."""
