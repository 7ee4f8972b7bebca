"""The model folder that train writes, and running its ONNX network."""
