"""Vertex AI pipeline jobs over REST: what is sent (request) and the sending (client)."""
