"""What the workers of a training exchange: sums, through TensorFlow's collective operations.

Every worker has the whole network as plain variables and steps in unison with the others: after each step the flat
gradient is summed over them, one message a step. All of them call the same functions in the same order.
"""

from __future__ import annotations

import atexit
import logging
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from kfp_azureml.runtime.errors import WorkerLostError
from kfp_azureml.runtime.step import quieten
from kfp_azureml.steps.train.cluster import Cluster

if TYPE_CHECKING:
    import keras
    import tensorflow as tf


@dataclass(frozen=True)
class Workers:
    """The workers that train together, as one of them sees them; the default is one alone.

    Attributes:
        rank: Which of them this process is, from 0.
        count: Their number.
        strategy: TensorFlow's, which sums over the workers; None for one alone.
    """

    rank: int = 0
    count: int = 1
    strategy: Any = None

    @property
    def is_first(self) -> bool:
        """Whether this worker writes checkpoints and results."""
        return self.rank == 0

    def part(self, total: int) -> range:
        """Return this worker's part of `range(total)`; the workers' parts differ by one at most."""
        return range(total * self.rank // self.count, total * (self.rank + 1) // self.count)

    def sum(self, value: tf.Tensor) -> tf.Tensor:
        """Return the sum of the workers' values."""
        if self.count == 1:
            return value
        import tensorflow as tf

        return self.strategy.reduce(tf.distribute.ReduceOp.SUM, value, axis=None)

    def sum_all(self, values: Sequence[tf.Tensor]) -> Sequence[tf.Tensor]:
        """Return the sums of several values of one type, in one message."""
        if self.count == 1 or not values:
            return values
        import tensorflow as tf

        total = self.sum(tf.concat([tf.reshape(value, [-1]) for value in values], 0))
        parts = tf.split(total, [prod(value.shape) for value in values])
        return [tf.reshape(part, value.shape) for part, value in zip(parts, values, strict=True)]

    def sum_variables(self, variables: Sequence[keras.Variable]) -> None:
        """Replace variables by their sums."""
        if self.count > 1:
            for variable, total in zip(variables, self.sum_all([each.value for each in variables]), strict=True):
                variable.assign(total)

    def average_variables(self, variables: Sequence[keras.Variable]) -> None:
        """Replace variables by their means."""
        if self.count > 1:
            for variable, total in zip(variables, self.sum_all([each.value for each in variables]), strict=True):
                variable.assign(total / self.count)

    def rows(self, row: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the workers' rows, (count, length); they have the same length."""
        if self.count == 1:
            return row[None]
        import tensorflow as tf

        table = np.zeros((self.count, len(row)), np.int64)
        table[self.rank] = row
        together: NDArray[np.int64] = self.sum(tf.constant(table)).numpy()
        return together

    def wait_for_all(self) -> None:
        """Return when all workers have come here."""
        self.rows(np.zeros(1, np.int64))

    @contextmanager
    def losses(self) -> Iterator[None]:
        """Turn TensorFlow's errors about other workers into `WorkerLostError`.

        After any error, the process ends without TensorFlow's own clean-up, which waits for lost workers.
        """
        if self.count == 1:
            yield
            return
        import tensorflow as tf

        errors = tf.errors
        try:
            yield
        except (
            *(errors.UnavailableError, errors.AbortedError, errors.CancelledError, errors.DeadlineExceededError),
            *(errors.InternalError, errors.FailedPreconditionError, errors.UnknownError),
        ) as error:
            atexit.register(_end_at_once, WorkerLostError.exit_code)
            reason = type(error).__name__
            raise WorkerLostError(
                f"worker {self.rank} of {self.count}: another one was lost ({reason}): start all again"
            ) from error
        except BaseException as error:
            atexit.register(_end_at_once, getattr(error, "exit_code", 1))
            raise


def _end_at_once(exit_code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(exit_code)


def connect(cluster: Cluster | None) -> Workers:
    """Connect to the other workers; call it before TensorFlow's first operation.

    It returns when all have come, and fails after TensorFlow's own timeout of an hour. TensorFlow's servers listen on
    all network interfaces and do not check who connects.

    Raises:
        WorkerLostError: If another worker ends meanwhile.
    """
    if cluster is None:
        return Workers()
    import tensorflow as tf

    quieten("tensorflow", logging.WARNING)  # it logs each sum that is traced
    resolver = tf.distribute.cluster_resolver.SimpleClusterResolver(
        tf.train.ClusterSpec({"worker": list(cluster.addresses)}),
        task_type="worker",
        task_id=cluster.rank,
        rpc_layer="grpc",
    )
    options = tf.distribute.experimental.CommunicationOptions(
        implementation=tf.distribute.experimental.CommunicationImplementation.RING
    )
    with Workers(cluster.rank, cluster.count).losses():
        strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver, options)
    # TensorFlow takes SIGTERM as the notice of a preemption, and goes on.
    signal.signal(signal.SIGTERM, signal.getsignal(signal.SIGTERM))
    return Workers(cluster.rank, cluster.count, strategy)
