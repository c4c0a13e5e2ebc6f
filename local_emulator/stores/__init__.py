"""Objects (the model) and the faces through which stores are spoken to."""
