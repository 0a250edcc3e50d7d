"""What is inside a model file, TFLite or ONNX, ours or not."""
