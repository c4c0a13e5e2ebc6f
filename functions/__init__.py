"""Thin entry points: decode, handle, encode."""
