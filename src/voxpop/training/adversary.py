"""Adversarial training on the word embeddings: Miyato, Dai and Goodfellow 2017, arXiv 1605.07725, section 3.

A second pass sees each text with its embeddings moved by a fixed length in the direction in which the loss grows most,
and the gradients of both passes add up. The paper first scales all embeddings to unit variance, lest the network
escape by growing them; those of a pretrained encoder are frozen or nearly so, and are left as they are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Adversary:
    """Watches the word embeddings ``words`` while the network trains, and moves them in :meth:`attack`.

    Args:
        size: L2 norm of the change to one sequence, over all its tokens.
    """

    def __init__(self, words: nn.Module, size: float) -> None:
        self.size = size
        self._seen: Tensor | None = None
        self._change: Tensor | None = None
        words.register_forward_hook(self._hook)

    def _hook(self, module: nn.Module, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return output
        if self._change is not None:
            return output + self._change
        if output.requires_grad:  # the embeddings are trained themselves
            output.retain_grad()
        else:
            output.requires_grad_()
        self._seen = output
        return output

    @contextmanager
    def attack(self) -> Iterator[None]:
        """Within it the batch whose loss was just differentiated is seen with its embeddings moved."""
        assert self._seen is not None, "no pass was seen"
        assert self._seen.grad is not None, "the loss was not differentiated"
        self._change = worst(self._seen.grad, self.size)
        self._seen = None
        try:
            yield
        finally:
            self._change = None


def worst(gradient: Tensor, size: float) -> Tensor:
    """Of each sequence (b, w, d) the gradient's direction at the L2 norm ``size``; 0 where there is no gradient."""
    norms = gradient.flatten(1).norm(dim=1).view(-1, 1, 1)
    return torch.where(norms > 0, size * gradient / norms, torch.zeros_like(gradient))
