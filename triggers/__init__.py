"""What an event is, what a trigger says, and which of them meet. Pure: no I/O, no clock, no cloud."""
