"""Train Image Classification Keras."""
