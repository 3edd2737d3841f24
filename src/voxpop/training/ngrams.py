"""Fits the linear part of a head beside the network that was trained: once that is done, in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from torch import from_numpy

from voxpop.models.checkpoint import EncoderFiles
from voxpop.models.classifier import choose_dtype, load_classifier, open_encoder, open_tensors
from voxpop.models.encoding import Tokens
from voxpop.models.ngrams import NGRAMS, features
from voxpop.models.profile import HEAD
from voxpop.models.running import Runner
from voxpop.training.export import save_tensors, task_profile
from voxpop.training.judge import BATCH_TOKENS
from voxpop.training.loop import Encoded

BUCKETS = 2**16
PENALTIES = (0.02, 0.06, 0.25)
"""Of the squared weights, against the summed loss; that under which the validation split is likeliest is taken."""

Floats = NDArray[np.float64]
Gold = NDArray[np.int64]


def add_ngrams(out: Path, files: EncoderFiles, training: Encoded, validation: Encoded) -> None:
    """Fits the n-grams beside the network whose adapter and head lie in ``out``, and adds them to the head.

    Args:
        files: the encoder.
        training, validation: the splits as the network sees them.
    """
    task, stated = task_profile(out, files.name)
    classifier = load_classifier(task, stated, files, open_encoder(files), choose_dtype("auto"), Runner(BATCH_TOKENS))
    logits = np.log(np.maximum(classifier.predict(validation.sequences), 1e-12))
    learned, held_out = ((part.sequences, part.gold.numpy()) for part in (training, validation))
    head = open_tensors(out / HEAD)
    table = fit_beside(logits, learned, held_out)
    save_tensors(out / HEAD, {**head.tensors, NGRAMS: from_numpy(table)}, head.about)


def fit_beside(
    logits: NDArray[np.float32],
    training: tuple[Sequence[Tokens], Gold],
    validation: tuple[Sequence[Tokens], Gold],
    buckets: int = BUCKETS,
) -> NDArray[np.float32]:
    """The table of n-grams that helps a network most.

    A multinomial logistic regression is fitted on the training split alone, since the network's own logits of it are
    too good to show what is missing; how much it weighs beside the network is chosen on the validation split.

    Args:
        logits: the network's, of the validation split, of shape (rows, labels).
        training, validation: sequences and the index of the label of each.

    Returns:
        what each bucket adds to the network's logits, of shape (buckets, labels).
    """
    seen, asked = (matrix(sequences, buckets) for sequences, _ in (training, validation))
    best: tuple[float, Floats] = (np.inf, np.zeros((buckets, logits.shape[1])))
    for penalty in PENALTIES:
        table = regression(seen, training[1], logits.shape[1], penalty)
        loss, (network, own) = weighed(logits.astype(np.float64), asked @ table, validation[1])
        if loss < best[0]:
            best = loss, table * (own / network)
    return best[1].astype(np.float32)


def matrix(sequences: Sequence[Tokens], buckets: int) -> sparse.csr_array:
    """The vectors of some sequences, of shape (sequences, buckets)."""
    rows = [features(sequence.ids, buckets) for sequence in sequences]
    places = np.concatenate([[0], np.cumsum([len(filled) for filled, _ in rows])])
    values = np.concatenate([np.full(len(filled), value) for filled, value in rows])
    filled = np.concatenate([filled for filled, _ in rows])
    return sparse.csr_array((values, filled, places), shape=(len(rows), buckets))


def regression(vectors: sparse.csr_array, gold: Gold, labels: int, penalty: float) -> Floats:
    """The weights (buckets, labels) of a multinomial logistic regression with squared weights penalised."""
    right = np.eye(labels)[gold]
    buckets, used = vectors.shape[1], np.unique(vectors.indices)
    vectors = vectors[:, used]

    def loss(flat: Floats) -> tuple[float, Floats]:
        table = flat.reshape(len(used), labels)
        found = vectors @ table
        away = vectors.T @ (softmax(found, axis=1) - right) + penalty * table
        value = -(log_softmax(found, axis=1) * right).sum() + penalty / 2 * (table**2).sum()
        return float(value), away.ravel()

    found = minimize(loss, np.zeros(len(used) * labels), jac=True, method="L-BFGS-B", options={"maxiter": 200})
    result = np.zeros((buckets, labels))
    result[used] = found.x.reshape(len(used), labels)
    return result


def weighed(network: Floats, beside: Floats, gold: Gold) -> tuple[float, tuple[float, float]]:
    """The mean loss of both logits summed under their best two weights, and these; neither is below nothing."""

    def loss(weights: Floats) -> float:
        found = log_softmax(weights[0] * network + weights[1] * beside, axis=1)
        return -float(found[np.arange(len(gold)), gold].mean())

    found = minimize(loss, np.array([1.0, 1.0]), bounds=[(0.05, 20.0), (0.0, 20.0)])
    return float(found.fun), (float(found.x[0]), float(found.x[1]))
