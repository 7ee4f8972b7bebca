"""Check the Azure ML workspace before training starts."""
