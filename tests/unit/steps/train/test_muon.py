"""Muon: orthogonal steps for convolution kernels, Adam for other weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from kfp_azureml.steps.train.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(9, 16), (144, 32), (24, 24)])
def test_singular_values_become_about_1_and_singular_vectors_are_kept(shape: tuple[int, int]) -> None:
    matrix = np.random.default_rng(2).normal(size=shape).astype(np.float32)
    rows, values, columns = np.linalg.svd(matrix, full_matrices=False)
    step = orthogonal(tf.constant(matrix)).numpy()
    assert step.shape == shape
    turned = rows.T @ step @ columns.T
    # Three iterations do not raise values near 0 to 1.
    large = values > values.max() / 4
    assert (np.diag(turned)[large] > 0.5).all()
    assert (np.diag(turned) < 1.3).all()
    np.testing.assert_allclose(turned - np.diag(np.diag(turned)), 0, atol=1e-4)


def test_the_scale_of_the_gradient_does_not_matter() -> None:
    matrix = np.random.default_rng(2).normal(size=(18, 8)).astype(np.float32)
    np.testing.assert_allclose(orthogonal(tf.constant(matrix)), orthogonal(tf.constant(1000 * matrix)), atol=1e-4)


def test_a_zero_gradient_is_a_zero_step() -> None:
    kernel = keras.Variable(np.ones((3, 3, 2, 4), np.float32))
    optimizer = Muon()
    optimizer.build([kernel])
    optimizer.apply([tf.zeros((3, 3, 2, 4))])
    np.testing.assert_array_equal(kernel.numpy(), 1)


def test_a_convolution_kernel_is_updated_by_orthogonalized_nesterov_momentum() -> None:
    kernel = keras.Variable(np.zeros((1, 1, 3, 12), np.float32))
    optimizer = Muon(0.1, momentum=0.9)
    optimizer.build([kernel])
    first, second = (np.random.default_rng(seed).normal(size=(1, 1, 3, 12)).astype(np.float32) for seed in (1, 2))

    def step(direction: np.ndarray) -> np.ndarray:
        # Four times as many filters as inputs: the step is twice as long.
        return -0.1 * 2 * orthogonal(tf.reshape(tf.constant(direction), (3, 12))).numpy().reshape(1, 1, 3, 12)

    optimizer.apply([tf.constant(first)])
    np.testing.assert_allclose(kernel.numpy(), step(first + 0.9 * first), atol=1e-5)
    before = kernel.numpy()
    optimizer.apply([tf.constant(second)])
    np.testing.assert_allclose(kernel.numpy() - before, step(second + 0.9 * (0.9 * first + second)), atol=1e-5)


def test_other_weights_are_updated_by_adam() -> None:
    start = np.array([1.0, -2.0, 3.0], np.float32)
    bias, reference = keras.Variable(start), keras.Variable(start)
    optimizer = Muon(0.1, adam_ratio=0.2, adam_momentum=0.9, adam_decay=0.99)
    adam = keras.optimizers.Adam(0.02, beta_1=0.9, beta_2=0.99, epsilon=1e-8)
    optimizer.build([bias])
    adam.build([reference])
    for seed in range(5):
        gradient = tf.constant(np.random.default_rng(seed).normal(size=3).astype(np.float32))
        optimizer.apply([gradient])
        adam.apply([gradient])
    np.testing.assert_allclose(bias.numpy(), reference.numpy(), atol=1e-5)
    assert np.abs(bias.numpy() - start).min() > 0.01
