"""Score an image classifier with ONNX Runtime."""
