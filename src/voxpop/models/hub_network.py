"""Public checkpoints as networks: transformers' own classes, read from safetensors, with no code but transformers'.

What is added is what makes a result independent of what else is asked at once: one padded width a batch (batching.py)
and heads that work a sequence at a time (the kernel of a small product follows from the number of its rows). The
attention mask is always given, too: transformers leaves it out where no row is padded, and another kernel may then run,
though on the one processor tried that changed no bit.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from tokenizers import Tokenizer
from torch import Tensor, nn

from voxpop.errors import ModelError
from voxpop.models.batching import Batch, padded_width
from voxpop.models.bert import inputs
from voxpop.models.encoding import Frame, TextEncoder, Tokens
from voxpop.models.engine import Padded
from voxpop.models.hub_lock import Files
from voxpop.models.running import Runner

SHIFTED = ("roberta", "xlm-roberta")
"""Architectures whose positions begin behind the padding's id."""

READ = ("bert", "distilbert", *SHIFTED)
"""Architectures (``model_type``) that are read: those whose masks and positions are tested to be as said above."""

_BROKEN = (OSError, ValueError, TypeError, KeyError, RuntimeError, ImportError, SafetensorError)


class Network(NamedTuple):
    """A loaded checkpoint.

    ``names`` are its own names of its outputs, ``limit`` the most tokens of a sequence.
    """

    model: nn.Module
    encoder: TextEncoder
    names: tuple[str, ...]
    limit: int
    typed: bool
    engine: Padded

    def logits(self, sequences: Sequence[Tokens], width: int) -> dict[str, Tensor]:
        """The outputs of sequences padded to ``width``: ``logits`` (b, labels), or ``start_logits`` and ``end_logits``
        (b, w), in float32."""
        batch = self.engine.sent(inputs(sequences, width, self.encoder.frame.pad))
        asked: dict[str, Tensor] = {"input_ids": batch.ids, "attention_mask": batch.real[:, None, None, :]}
        if self.typed:
            asked["token_type_ids"] = batch.second.long()
        found = self.model(**asked)
        return {name: value.float() for name, value in found.items() if name.endswith("logits")}


def load_network(name: str, files: Files, task: str, dtype: torch.dtype, engine: Padded) -> Network:
    """The network of a checkpoint whose files are checked, on the engine's device.

    Args:
        name: what the checkpoint is called in errors.
        files: its folder.
        task: "qa", or another for a classifier of sequences.
        dtype: the number format of its weights.
        engine: what computes.

    Raises:
        ModelError: it has no safetensors, is corrupt, asks for code of its own, or is not of a kind that is read.
    """
    _refuse_code(name, files.folder)
    if not any(file.endswith(".safetensors") for file in files.sha256):
        raise ModelError(f"The checkpoint {name} has no safetensors; pickled weights are never read.")
    try:
        config, model, report, tokenizer = _opened(name, files.folder, task, dtype)
    except _BROKEN as error:
        raise ModelError(f"The checkpoint {name} cannot be read: {_line(error)}") from error
    _refuse_guesses(name, task, report)
    _work_by_sequence(model)
    encoder = _encoder(name, tokenizer, config)
    shift = config.pad_token_id + 1 if config.model_type in SHIFTED else 0
    names = tuple(str(config.id2label[i]) for i in range(config.num_labels))
    typed = getattr(config, "type_vocab_size", 0) > 1
    limit = config.max_position_embeddings - shift
    return Network(model.eval().to(engine.device), encoder, names, limit, typed, engine)


def _opened(name: str, folder: Path, task: str, dtype: torch.dtype) -> tuple[Any, nn.Module, dict[str, Any], Any]:
    """What transformers makes of the folder: configuration, network, a report of what was lacking, and tokenizer."""
    import transformers

    transformers.utils.logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    kind: Any = transformers.AutoModelForSequenceClassification
    if task == "qa":
        kind = transformers.AutoModelForQuestionAnswering
    own: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    config = transformers.AutoConfig.from_pretrained(folder, **own)
    if config.model_type not in READ:
        raise ModelError(f"The checkpoint {name} is a {config.model_type}; read are checkpoints of {', '.join(READ)}.")
    model, report = kind.from_pretrained(
        folder,
        config=config,
        dtype=dtype,
        use_safetensors=True,
        attn_implementation="sdpa",
        output_loading_info=True,
        **own,
    )
    return config, model, report, transformers.AutoTokenizer.from_pretrained(folder, use_fast=True, **own)


def _refuse_code(name: str, folder: Path) -> None:
    if (folder / "adapter_config.json").exists():
        raise ModelError(f"The checkpoint {name} is an adapter of another one, which is not read.")
    for file in ("config.json", "tokenizer_config.json"):
        try:
            stated = json.loads((folder / file).read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise ModelError(f"The file {file} of the checkpoint {name} is corrupt: {_line(error)}") from error
        if not isinstance(stated, dict) or "auto_map" in stated:
            raise ModelError(f"The checkpoint {name} asks for code of its own ({file}), which is never run.")


def _refuse_guesses(name: str, task: str, report: dict[str, Any]) -> None:
    """A checkpoint of another task lacks the head, which transformers would then fill with random numbers."""
    lacking = sorted({*map(str, report["missing_keys"]), *(str(key[0]) for key in report["mismatched_keys"])})
    if lacking:
        raise ModelError(f"The checkpoint {name} was not made for {task}: it has no fitting {lacking[0]}.")


class _BySequence(nn.Linear):
    """A linear layer that works one sequence at a time."""

    def forward(self, hidden: Tensor) -> Tensor:
        """As ``nn.Linear``, for (b, ·) or (b, w, ·)."""
        return torch.cat([super(_BySequence, self).forward(one) for one in torch.split(hidden, 1)])


def _work_by_sequence(model: nn.Module) -> None:
    """Makes the head's layers, and the pooler's, work one sequence at a time."""
    body = f"{model.base_model_prefix}."
    for name, module in model.named_modules():
        if isinstance(module, nn.Linear) and (not name.startswith(body) or name.startswith(f"{body}pooler.")):
            module.__class__ = _BySequence


def _encoder(name: str, tokenizer: Any, config: Any) -> TextEncoder:
    """The tokenizer as one of ours, framed as it frames a pair itself.

    Raises:
        ModelError: it is none of the fast ones, frames pairs otherwise, or has more words than the network.
    """
    if not getattr(tokenizer, "is_fast", False) or tokenizer.pad_token_id is None:
        raise ModelError(f"The checkpoint {name} has no fast tokenizer with a padding token.")
    # A copy that nobody changes: fast tokenizers are not safe between threads that set padding or truncation.
    own = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    own.no_truncation()
    own.no_padding()
    if own.get_vocab_size(with_added_tokens=True) > config.vocab_size:
        raise ModelError(f"The tokenizer of the checkpoint {name} knows more words than its network.")
    pair = own.encode("a", "a")
    places = pair.sequence_ids
    if 0 not in places or 1 not in places:
        raise ModelError(f"The tokenizer of the checkpoint {name} makes no tokens of a letter.")
    first, begin = places.index(0), places.index(1)
    end, last = _after(places, 0), _after(places, 1)
    frame = Frame(
        tuple(pair.ids[:first]),
        tuple(pair.ids[end:begin]),
        tuple(pair.ids[last:]),
        -1 if tokenizer.mask_token_id is None else tokenizer.mask_token_id,
        tokenizer.pad_token_id,
    )
    if (len(frame.first), len(frame.last)) != (1, 1) or not frame.between:
        raise ModelError(f"The tokenizer of the checkpoint {name} frames pairs in a way that is not read.")
    return TextEncoder(own, frame)


def _after(places: Sequence[int | None], sequence: int) -> int:
    """The position behind the last token of a sequence."""
    return len(places) - list(reversed(places)).index(sequence)


def order_of(checkpoint: str, names: Sequence[str], labels: Sequence[str]) -> list[int]:
    """For each of ``labels``, which output of the network it is.

    The checkpoint's own names decide where it has any; where it calls its outputs ``LABEL_0`` and so on, the order of
    ``labels`` does.

    Raises:
        ModelError: it has another number of outputs, or other names.
    """
    if len(names) != len(labels):
        raise ModelError(f"The checkpoint {checkpoint} has {len(names)} labels, not the {len(labels)} of its profile.")
    if all(name.upper() == f"LABEL_{i}" for i, name in enumerate(names)):
        return list(range(len(labels)))
    own = {_plain(name): i for i, name in enumerate(names)}
    if len(own) != len(names) or own.keys() != {_plain(label) for label in labels}:
        raise ModelError(f"The checkpoint {checkpoint} has the labels {', '.join(names)}, not those of its profile.")
    return [own[_plain(label)] for label in labels]


def _plain(label: str) -> str:
    """A label without case, spaces and signs: "Fed | Central Banks" and "Fed / Central Banks" are one."""
    return "".join(letter for letter in label.casefold() if letter.isalnum())


class HubClassifier:
    """Scores and probabilities of one task's labels, each row independent of the others."""

    def __init__(self, task: str, network: Network, order: Sequence[int], runner: Runner) -> None:
        self._task, self._network, self._order, self._runner = task, network, list(order), runner

    def scores(self, sequences: Sequence[Tokens]) -> Tensor:
        """Logits (sequences, labels) in our order."""
        result = torch.zeros((len(sequences), len(self._order)))

        def compute(batch: Batch) -> Tensor:
            found = self._network.logits([sequences[i] for i in batch.indices], batch.width)["logits"]
            return self._runner.engine.fetch(found[:, self._order])

        for batch, found in self._runner.run(self._task, [len(one.ids) for one in sequences], compute):
            result[batch.indices] = found
        return result

    def predict(self, sequences: Sequence[Tokens]) -> NDArray[Any]:
        """Probabilities (sequences, labels) in our order, float32."""
        probabilities: NDArray[Any] = self.scores(sequences).softmax(dim=1).numpy()
        return probabilities


def check_length(checkpoint: str, network: Network, max_tokens: int) -> None:
    """Nothing, where the network takes sequences of ``max_tokens``, padded.

    Raises:
        ModelError: it takes fewer.
    """
    if padded_width(max_tokens) > network.limit:
        raise ModelError(f"The checkpoint {checkpoint} takes {network.limit} tokens, not {max_tokens}.")


def _line(error: Exception) -> str:
    """The first line of an error, as the end of a sentence."""
    said = str(error).strip().splitlines()
    return f"{said[0].rstrip('.') if said else type(error).__name__}."
