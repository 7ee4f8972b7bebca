"""Operations that were recorded and are emulated, but not compared, with the reason."""

UNPLAYED = {
    "GET /subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
    "/mfeOperationResults/{operation}": "recorded of feature sets only",
    "POST {endpoint}.{region}.inference.ml.azure.com/score": "a model's own answer",
}
