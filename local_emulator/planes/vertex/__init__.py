"""Vertex AI: its control plane, and the endpoints that serve behind it."""
