"""What only the author's machine needs: YAML with places, models, checks, compilation. Never on the hot path."""
