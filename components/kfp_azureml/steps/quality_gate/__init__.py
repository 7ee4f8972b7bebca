"""Accept or reject a scored model by its accuracy."""
