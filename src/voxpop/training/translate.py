"""Back-translation by two checkpoints on this disk; no network is asked, and only safetensors are read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from voxpop.errors import SettingError
from voxpop.training.augment import Translate

BATCH = 16
LONGEST = 256
"""Tokens of one text; what is longer is cut."""


def translator(out: Path, back: Path) -> Translate:
    """Texts by way of another language: ``out`` of English, and ``back`` into it, by beam search.

    Raises:
        SettingError: a folder holds no translation model that ``transformers`` reads.
    """
    ways = [_load(folder) for folder in (out, back)]

    def translate(texts: Sequence[str]) -> list[str]:
        made = list(texts)
        for tokenizer, model in ways:
            made = [new for i in range(0, len(made), BATCH) for new in _one_way(tokenizer, model, made[i : i + BATCH])]
        return made

    return translate


@torch.inference_mode()
def _one_way(tokenizer: Any, model: Any, texts: list[str]) -> list[str]:
    batch = tokenizer(texts, return_tensors="pt", padding=True, truncation=True, max_length=LONGEST)
    written = model.generate(
        input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], num_beams=4, max_new_tokens=LONGEST
    )
    decoded: list[str] = tokenizer.batch_decode(written, skip_special_tokens=True)
    return decoded


def _load(folder: Path) -> tuple[Any, Any]:
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        model = AutoModelForSeq2SeqLM.from_pretrained(
            folder, local_files_only=True, use_safetensors=True, dtype=torch.float32
        )
    except (OSError, ValueError, ImportError) as error:
        raise SettingError(f"{folder} holds no translation model that can be read: {error}") from error
    return tokenizer, model.eval()
