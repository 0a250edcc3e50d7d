"""What decodes a finished video: FFmpeg through PyAV, else through OpenCV."""
