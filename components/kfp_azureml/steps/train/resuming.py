"""Take and restore the state of a running training, of one worker or several.

With several workers the first one writes. The others' random generators and shuffle buffers are in the same file. A
training that goes on with another number of workers takes new ones: it has the same weights and goes on at the same
step, with other images for the rest of the epoch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
from numpy.typing import NDArray

from kfp_azureml.runtime.errors import TrainingError
from kfp_azureml.runtime.step import progress
from kfp_azureml.steps.train.best_epoch import BestEpoch
from kfp_azureml.steps.train.checkpoint import Checkpoints, State
from kfp_azureml.steps.train.collectives import Workers
from kfp_azureml.steps.train.history import Epoch

if TYPE_CHECKING:
    from kfp_azureml.steps.train.batches import Split
    from kfp_azureml.steps.train.shuffle import ShuffledBatches

MODEL, OPTIMIZER, METRICS = "model", "optimizer", "metrics"
"""What variables are of."""
_ORDER, _OWN, _SHUFFLE, _BEST = "order", "own", "shuffle", "best "
"""Arrays: the common generator's state at the start of the epoch, the workers' own states; and a prefix."""

Variables = Mapping[str, Sequence[keras.Variable]]


class Generators:
    """The random generators of a worker.

    Attributes:
        common: Draws what is the same for all workers: the order of the groups.
        own: Draws the rest. A worker alone has one generator for both.
    """

    def __init__(self, seed: int, workers: Workers) -> None:
        self._seed, self._rank = seed, workers.rank
        self.common = np.random.default_rng(seed)
        self.own = self.common if workers.count == 1 else np.random.default_rng((seed, workers.rank))

    def renew_own(self, epoch: int, step: int) -> None:
        """Set the own generator to a state for training with another number of workers than before."""
        fresh = np.random.default_rng((self._seed, self._rank, epoch, step))
        self.own.bit_generator.state = fresh.bit_generator.state


def generator_words(rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the state of a generator, (6,)."""
    state: dict[str, Any] = rng.bit_generator.state  # type: ignore[assignment]
    numbers = [state["state"]["state"], state["state"]["inc"]]
    words = [part for number in numbers for part in divmod(number, 1 << 64)]
    return np.array([*words, state["has_uint32"], state["uinteger"]], np.uint64).view(np.int64)


def set_generator(rng: np.random.Generator, words: NDArray[np.int64]) -> None:
    """Set the state of a generator; see `generator_words`."""
    numbers = [int(word) for word in words.view(np.uint64)]
    rng.bit_generator.state = {
        "bit_generator": "PCG64",
        "state": {"state": (numbers[0] << 64) + numbers[1], "inc": (numbers[2] << 64) + numbers[3]},
        "has_uint32": numbers[4],
        "uinteger": numbers[5],
    }


class Resuming:
    """Where a training stands, and its checkpoints, if there are any.

    Attributes:
        epoch: Number of the running epoch, from 1.
        step: Number of steps taken in it before this process, 0 from the next epoch on.
        seconds: Time spent on it before this process.
        history: Metrics of the epochs before.
    """

    def __init__(
        self,
        generators: Generators,
        workers: Workers,
        best: BestEpoch,
        checkpoints: Checkpoints | None = None,
        every: int = 0,
    ) -> None:
        """Read the newest checkpoint.

        Args:
            generators: The worker's random generators.
            workers: The workers.
            best: The best epoch, a part of the state.
            checkpoints: The checkpoints; None for none.
            every: Number of steps between two checkpoints; 0 for only one at the end of each epoch.

        Raises:
            OutputError: If the checkpoints cannot be read.
            TrainingError: If they are of another training, or the workers do not find the same one.
        """
        self._generators, self._workers, self._best = generators, workers, best
        self._checkpoints, self._every = checkpoints, every
        self._order = generator_words(generators.common)
        self.epoch, self.step, self.seconds = 1, 0, 0.0
        self.history: list[Epoch] = []
        self._state = checkpoints.newest() if checkpoints else None
        found = workers.rows(np.array([-1 if self._state is None else self._state.steps], np.int64))
        if (found != found[0]).any():
            raise TrainingError(
                "the workers find different checkpoints: checkpoint must be an address where all of them see the same"
            )
        if checkpoints and self._state:
            with checkpoints.reading():
                values, arrays = self._state.values, self._state.arrays.items()
                self.epoch, self.step, self.seconds = int(values["epoch"]), int(values["step"]), values["seconds"]
                self.history = [Epoch(**epoch) for epoch in values["history"]]
                weights = {name.removeprefix(_BEST): each for name, each in arrays if name.startswith(_BEST)}
                best.set_state(values["best"], weights)
            progress(f"going on from a checkpoint: epoch {self.epoch}, step {self.step}")

    def restore(self, variables: Variables) -> None:
        """Set variables to their values in the checkpoint, if there is one that has them.

        Args:
            variables: Variables by what they are of. `METRICS` are sums over the workers, which the first one gets.
        """
        if self._checkpoints is None or self._state is None:
            return
        with self._checkpoints.reading():
            for name, group in variables.items():
                for index, variable in enumerate(group):
                    # A phase of training begins with a new optimizer.
                    value = self._state.arrays.get(f"{name} {index}")
                    if value is None and name == MODEL:
                        raise LookupError(f"{name} {index}")
                    if value is not None:
                        variable.assign(value if name != METRICS or self._workers.is_first else np.zeros_like(value))

    def batches(self, split: Split, batch_size: int) -> ShuffledBatches:
        """Begin an epoch, or go on with it; return its batches. After `restore`, it forgets the checkpoint."""
        common, own, rank = self._generators.common, self._generators.own, self._workers.rank
        state, self._state = self._state, None
        if state is None:
            self._order, self.step, self.seconds = generator_words(common), 0, 0.0
            return split.training_batches(batch_size, own, common, self._workers)
        self._order, rows = state.arrays[_ORDER], state.arrays[_OWN]
        is_same_group = len(rows) == self._workers.count
        shuffled = None
        if is_same_group:
            set_generator(own, rows[rank])
            if self.step:
                shuffled = state.arrays[_SHUFFLE][rank]
                shuffled = shuffled[1 : 1 + shuffled[0]]
        set_generator(common, self._order)
        batches = split.training_batches(batch_size, own, common, self._workers, shuffled)
        if not is_same_group:
            self._generators.renew_own(self.epoch, self.step)
        elif self.step:  # the common generator, which may be the same, has drawn the order again
            set_generator(own, rows[rank])
        return batches

    def is_due(self, step: int) -> bool:
        """Return whether to save after a step of the epoch."""
        return self._checkpoints is not None and self._every > 0 and step % self._every == 0

    def save_within_epoch(
        self, epoch: int, step: int, steps: int, seconds: float, batches: ShuffledBatches, variables: Variables
    ) -> None:
        """Write a checkpoint after a step.

        Args:
            epoch: The running epoch, from 1.
            step: Number of steps taken in it.
            steps: Number of steps of an epoch.
            seconds: Time spent on the epoch.
            batches: The epoch's batches.
            variables: The variables, see `restore`.
        """
        # Every worker goes on with what a restarted one would have.
        average_statistics(variables[MODEL], self._workers)
        self._workers.sum_variables(variables[METRICS])
        if not self._workers.is_first:
            for variable in variables[METRICS]:
                variable.assign(np.zeros(variable.shape, variable.dtype))
        values = {"epoch": epoch, "step": step, "seconds": seconds}
        arrays = {_SHUFFLE: self._shuffle_rows(batches.state())}
        self._write((epoch - 1) * steps + step, values, variables, arrays)

    def save_after_epoch(self, epoch: int, steps: int, variables: Variables) -> None:
        """Write a checkpoint after an epoch; see `save_within_epoch`."""
        if self._checkpoints is not None:
            self._order = generator_words(self._generators.common)
            self._write(epoch * steps, {"epoch": epoch + 1, "step": 0, "seconds": 0.0}, variables, {})

    def _write(
        self, steps: int, values: Mapping[str, Any], variables: Variables, arrays: Mapping[str, NDArray[Any]]
    ) -> None:
        own = self._workers.rows(generator_words(self._generators.own))
        if self._checkpoints is None or not self._workers.is_first:
            return
        best, weights = self._best.state()
        state = State(
            steps,
            {**values, "history": [asdict(each) for each in self.history], "best": best},
            {
                **arrays,
                _ORDER: self._order,
                _OWN: own,
                **{f"{_BEST}{name}": each for name, each in weights.items()},
                **{
                    f"{name} {index}": keras.ops.convert_to_numpy(variable.value)
                    for name, group in variables.items()
                    for index, variable in enumerate(group)
                },
            },
        )
        self._checkpoints.write(state)

    def _shuffle_rows(self, state: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the workers' states of the shuffle buffer, each after its length and filled up with zeros."""
        longest = int(self._workers.rows(np.array([len(state)], np.int64)).max())
        row = np.zeros(1 + longest, np.int64)
        row[0], row[1 : 1 + len(state)] = len(state), state
        return self._workers.rows(row)


def average_statistics(variables: Sequence[keras.Variable], workers: Workers) -> None:
    """Average the moving averages of batch normalization: each worker has those of its own images."""
    workers.average_variables([variable for variable in variables if variable.name.startswith("moving_")])
