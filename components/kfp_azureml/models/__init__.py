"""The model folder and inference with ONNX Runtime."""
