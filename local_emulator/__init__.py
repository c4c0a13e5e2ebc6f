"""A cloud on a laptop: one model, thin faces, one state folder."""
