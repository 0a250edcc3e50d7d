"""Where frames come from: files, pipes, addresses, cameras and streams."""
