"""`locate`: a network that finds people with boxes and keypoints, and its training."""
