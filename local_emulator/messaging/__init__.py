"""Queues (the model) and the faces through which messages come and go."""
