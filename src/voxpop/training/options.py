"""How to train: every switch, without importing torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

Method = Literal["lora", "adalora", "prefix", "full"]
Optimizer = Literal["adamw", "adafactor"]
Precision = Literal["auto", "bf16", "fp32"]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to train. Two runs with equal options and data give equal weights on one processor; on a card sums may be
    taken in another order."""

    epochs: int = 4
    halt: int = 0
    """Epoch after which the run ends, though its learning rate was laid out for ``epochs``; 0: none."""
    learning_rate: float = 8e-4
    warmup: float = 0.06
    """Share of the steps over which the learning rate rises; it falls along a cosine afterwards."""
    weight_decay: float = 0.01
    batch_tokens: int = 1024
    """Most padded tokens in one pass."""
    rank: int = 16
    alpha: int = 32
    label_smoothing: float = 0.05
    class_weights: bool = False
    """Weigh each class by the inverse square root of its frequency."""
    contrasts: int = 1500
    """Of sentiment: texts made by joining two that disagree (see ``voxpop.training.contrast``)."""
    rows: int = 0
    """Of question answering: most questions of the training split that are used; 0: all."""
    unanswerable: float = 0.6
    """Of question answering: questions made unanswerable, for each that has its answer."""
    patience: int = 2
    """Epochs without a better figure on the validation split after which training ends."""
    seed: int = 7
    save_steps: int = 100
    threads: int = 0
    """0: as many as torch chooses."""
    precision: Precision = "auto"
    """Of the matrix products; auto: bf16 where the processor has it in hardware, else fp32; on a card fp32 by its TF32
    units, since a small adapter waits for kernels to be started there, and bf16 starts more of them."""
    device: str = "auto"
    """The processor ("cpu"), "cuda", "cuda:N", or "auto": the first card where there is one."""
    method: Method = "lora"
    """What is trained of the encoder (see ``voxpop.training.methods``)."""
    words: float = 0.0
    """Of LoRA: the highest learning rate of the words' embeddings, which are trained too; 0: they stay as they are."""
    prefix_tokens: int = 16
    """Of prefix tuning: keys and values put before those of the text, in each layer."""
    optimizer: Optimizer = "adamw"
    accumulate: int = 1
    """Passes whose gradients are added up for one step."""
    learned: float = 1.0
    """Of a run from a start: the share of its weights that is what it learned; the rest is the start's, so that what
    that knew of other text is kept (Wortsman et al. 2022, arXiv 2109.01903)."""
    ngrams: bool = False
    """Of a task with labels: add a linear part over n-grams of tokens to the head (see ``voxpop.training.ngrams``)."""
    fgm: float = 0.0
    """Size of the adversarial change to the word embeddings (see ``voxpop.training.adversary``); 0: none."""
    augment: tuple[str, ...] = ()
    """Kinds of altered copies (see ``voxpop.training.augment``)."""
    augment_share: float = 0.3
    """Altered copies, for each row of the training split."""
    translation: tuple[str, ...] = ()
    """Of back-translation: folders of two checkpoints, out of English and back into it."""
    tensorboard: bool = False
    """Write loss, learning rate and validation figures for TensorBoard."""


@dataclass(frozen=True, kw_only=True)
class PretrainOptions:
    """How an encoder is pretrained.

    Six layers of 256 cost what four of 312 do (4.7 million weights in the blocks); of equal cost the deeper one is
    usually the better (Turc et al. 2019, arXiv 1908.08962), and its heads have the size that the fast paths expect.
    """

    steps: int = 30_000
    layers: int = 6
    hidden: int = 256
    vocabulary: int = 8_000
    """Most entries of the vocabulary."""
    batch_tokens: int = 8192
    """Most padded tokens in one pass."""
    accumulate: int = 1
    """Passes whose gradients are added up for one step."""
    learning_rate: float = 7e-4
    warmup: float = 0.05
    weight_decay: float = 0.01
    dropout: float = 0.1
    parallel_share: float = 0.5
    """Share of the steps that learn from translations, where there are any."""
    seed: int = 7
    save_steps: int = 200
    measure_steps: int = 1000
    threads: int = 0
    precision: Precision = "auto"
    device: str = "auto"
    """The processor ("cpu"), "cuda", "cuda:N", or "auto": the first card where there is one."""


_BYSTANDERS = frozenset({"halt", "tensorboard", "device"})
"""Options that change no step of a run, only where it is computed, when it ends or what it tells."""


def chosen(options: Options) -> dict[str, object]:
    """The options that differ from the defaults: what names a run, whatever options are added later."""
    default = asdict(Options())
    return {
        name: value for name, value in asdict(options).items() if value != default[name] and name not in _BYSTANDERS
    }
