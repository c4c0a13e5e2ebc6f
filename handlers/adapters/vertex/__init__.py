"""Vertex AI over REST: of each kind of job what is sent (a request), what the platform says of it, and the client."""
