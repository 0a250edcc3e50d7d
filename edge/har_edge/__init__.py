"""Recognise human actions on small machines.

    from har_edge.model.loaded import load_model
    from har_edge.recognition.recognizer import Recognizer
    from har_edge.frames.sampling import FrameSampler
    from har_edge.sources.open import open_source

    model = load_model("clips")
    recognizer = Recognizer(model)
    sampler = FrameSampler(model.spec.clip.frame_rate_hz)
    for frame in open_source("video.mp4").frames(sampler):
        prediction = recognizer.push(frame)

Importing this package loads nothing heavy.
"""

__version__ = "0.1.0"
