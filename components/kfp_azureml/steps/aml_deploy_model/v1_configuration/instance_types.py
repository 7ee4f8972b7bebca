"""VM sizes of managed endpoints, to choose one for a container's cores and memory."""

from __future__ import annotations

from dataclasses import dataclass

RESERVED_GB = 2.3
"""Memory that the service needs on each instance.

It follows from the sizes that Azure suggests for containers of ACI, which the tests have:
https://learn.microsoft.com/azure/machine-learning/migrate-to-v2-managed-online-endpoints
"""


@dataclass(frozen=True)
class Size:
    """A VM size.

    Attributes:
        name: Its name.
        cores: Its cores.
        memory_gb: Its memory in GB, with what the service needs.
        gpus: Its GPUs.
    """

    name: str
    cores: int
    memory_gb: float
    gpus: int = 0


# November 2026, from https://learn.microsoft.com/azure/machine-learning/reference-managed-online-endpoints-vm-sku-list
SIZES = (
    Size("Standard_DS1_v2", 1, 3.5),
    Size("Standard_F2s_v2", 2, 4),
    Size("Standard_DS2_v2", 2, 7),
    Size("Standard_E2s_v3", 2, 16),
    Size("Standard_F4s_v2", 4, 8),
    Size("Standard_DS3_v2", 4, 14),
    Size("Standard_E4s_v3", 4, 32),
    Size("Standard_F8s_v2", 8, 16),
    Size("Standard_DS4_v2", 8, 28),
    Size("Standard_E8s_v3", 8, 64),
    Size("Standard_F16s_v2", 16, 32),
    Size("Standard_DS5_v2", 16, 56),
    Size("Standard_E16s_v3", 16, 128),
    Size("Standard_F32s_v2", 32, 64),
    Size("Standard_E32s_v3", 32, 256),
    Size("Standard_E64s_v3", 64, 432),
    Size("Standard_NC4as_T4_v3", 4, 28, 1),
    Size("Standard_NC8as_T4_v3", 8, 56, 1),
    Size("Standard_NC16as_T4_v3", 16, 110, 1),
    Size("Standard_NC64as_T4_v3", 64, 440, 4),
)


def smallest_size(cpu: float, memory_gb: float, gpus: int = 0) -> Size | None:
    """Return the smallest size that holds a container: by cores, then by memory; None if none does."""
    fitting = [
        size
        for size in SIZES
        if size.cores >= cpu and size.memory_gb - RESERVED_GB >= memory_gb and (size.gpus > 0) == (gpus > 0)
        and size.gpus >= gpus
    ]  # fmt: skip
    return min(fitting, key=lambda size: (size.cores, size.memory_gb), default=None)
