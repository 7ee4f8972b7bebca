"""Score Image Classification Keras."""
