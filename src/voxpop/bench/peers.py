"""How others run the same weights: transformers' pipeline, in order of arrival, and batches sorted by length."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, BertPreTrainedModel, PreTrainedTokenizerFast, pipeline
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.utils import logging

from voxpop.models.bert import Weights
from voxpop.models.checkpoint import find_encoder
from voxpop.models.classifier import hidden_size, load_weights, open_tensors
from voxpop.models.profile import TaskProfile

LONGEST = 512


class MeanPooled(BertPreTrainedModel):  # type: ignore[no-untyped-call]
    """transformers' own BERT with a linear head over the mean of its tokens."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__(config)
        self.bert = BertModel(config, add_pooling_layer=False)
        self.classifier = nn.Linear(config.hidden_size, len(config.id2label or ()))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, **others: Any) -> SequenceClassifierOutput:
        """Logits (b, labels)."""
        others = {name: value for name, value in others.items() if name == "token_type_ids"}
        hidden = self.bert(input_ids=input_ids, attention_mask=attention_mask, **others).last_hidden_state
        kept = attention_mask.unsqueeze(-1).to(hidden.dtype)
        mean = (hidden * kept).sum(dim=1) / kept.sum(dim=1)
        return SequenceClassifierOutput(logits=self.classifier(mean))


class Peer:
    """A task's merged weights as transformers runs them, on ``device`` in ``dtype``; they are saved in float32."""

    def __init__(self, task: TaskProfile, device: str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        files = find_encoder(task.encoder)
        encoder = open_tensors(files.weights).tensors
        loaded = load_weights(task, files, encoder, torch.float32, 2 * hidden_size(encoder))
        temperature = float(loaded.about.get("temperature", 1.0))
        logging.set_verbosity(50)  # critical: the pipeline lists the classes that it expects, as an error
        self.model = _model(files.folder, task.labels, loaded.weights, loaded.head, temperature).to(device, dtype)
        self.tokenizer = PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
            tokenizer_file=str(files.tokenizer),
            model_max_length=LONGEST,
            pad_token="[PAD]",  # noqa: S106 - a token of a vocabulary
            model_input_names=["input_ids", "token_type_ids", "attention_mask"],
        )
        self.tokenizer.backend_tokenizer.no_truncation()
        self._labels = {label: i for i, label in enumerate(task.labels)}
        self._pipeline = pipeline("text-classification", model=self.model, tokenizer=self.tokenizer, device=device)

    def arriving(self, texts: Sequence[str], batch_size: int, max_tokens: int = LONGEST) -> list[int]:
        """Labels by ``pipeline("text-classification", batch_size=…)``."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            options = {"batch_size": batch_size, "truncation": True, "max_length": max_tokens}
            return [self._labels[one["label"]] for one in self._pipeline(list(texts), **options)]

    @torch.inference_mode()
    def sorted(self, texts: Sequence[str], batch_size: int, max_tokens: int) -> list[int]:
        """Labels by batches of the whole set sorted by length, longest first, as sentence-transformers does."""
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        labels = [0] * len(texts)
        for first in range(0, len(order), batch_size):
            some = order[first : first + batch_size]
            coded = self.tokenizer(
                [texts[i] for i in some], truncation=True, max_length=max_tokens, padding=True, return_tensors="pt"
            )
            logits = self.model(**coded.to(self.model.device)).logits
            for i, label in zip(some, logits.argmax(dim=1).tolist(), strict=True):
                labels[i] = label
        return labels


def _model(folder: Path, labels: Sequence[str], weights: Weights, head: Weights, temperature: float) -> MeanPooled:
    """The model with the merged weights. Its head is ours for a text without a target: both of its means are one."""
    config = BertConfig.from_pretrained(folder, id2label=dict(enumerate(labels)))
    model = MeanPooled(config)
    whole, target = head["weight"].chunk(2, dim=1)
    own = {f"bert.{name}": tensor for name, tensor in weights.items()}
    own |= {"classifier.weight": (whole + target) / temperature, "classifier.bias": head["bias"] / temperature}
    lacking = set(model.state_dict()) - set(own)
    model.load_state_dict(own, strict=False)
    assert not {name for name in lacking if "position_ids" not in name}, lacking
    model.eval()  # type: ignore[no-untyped-call]
    return model
