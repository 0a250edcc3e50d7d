"""People: where they are in a frame, and which is who from one frame to the next."""
