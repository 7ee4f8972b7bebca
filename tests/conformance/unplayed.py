"""Operations that were recorded and are emulated, but not compared, with the reason."""

UNPLAYED = {
    "POST {endpoint}.{region}.inference.ml.azure.com/score": "a model's own answer",
}
