"""Python imports this at its start: kfp then finds minio://... in a folder of ours, not at /minio, which is root's."""

import os

from kfp.dsl.types import artifact_types

artifact_types._MINIO_LOCAL_MOUNT_PREFIX = f"{os.environ['MINIO_MOUNT']}/"
