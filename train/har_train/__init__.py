"""Train a CNN-LSTM on stills or clips: MobileNetV2 per frame, an LSTM over time."""
