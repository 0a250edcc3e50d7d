"""Live sources that outlast what happens to them."""
