"""How events look on the wire: one module a format."""
