"""What is played, by kind of resource, in this order: later plays need what earlier ones made."""

from play import Play
from plays import assets, batch, jobs, online, workspace

PLAYS: tuple[Play, ...] = (*workspace.PLAYS, *assets.PLAYS, *online.PLAYS, *batch.PLAYS, *jobs.PLAYS)
OPERATIONS = "GET /subscriptions/{subscription}/providers/Microsoft.MachineLearningServices/locations/{location}"
PLAYED = {
    *(play.operation for play in PLAYS),
    # Those that following an operation asks.
    *(f"{OPERATIONS}/{kind}OperationsStatus/{{operation}}" for kind in ("mfe", "compute", "workspace")),
}
"""The operations that are played."""
