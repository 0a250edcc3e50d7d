"""One connection each: a camera, a pipe, a stream; none knows of reconnecting."""
