"""Tiny random checkpoints of the architectures that are read, with tokenizers trained on a few words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

WORDS = (
    "shares of the steel maker Calder fell after its auditor resigned and lenders asked for cash; Nordhafen rose on a"
    " strong profit, raised its dividend to $0.25 and said that it will buy a mill in Ghent for 3 million euro."
    " 这家钢铁公司的股价周三下跌，审计师辞职。"
)
SENTIMENTS = ("positive", "negative", "neutral")
INFERENCES = ("contradiction", "neutral", "entailment")


def wordpieces() -> Tokenizer:
    """As BERT's."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    tokenizer.train_from_iterator([WORDS], trainers.WordPieceTrainer(vocab_size=160, special_tokens=special))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.decoder = decoders.WordPiece()
    return tokenizer


SENTENCEPIECE = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]


def bytepairs() -> Tokenizer:
    """As RoBERTa's: bytes, a blank belonging to the word behind it."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=360, special_tokens=SENTENCEPIECE, initial_alphabet=alphabet)
    tokenizer.train_from_iterator([WORDS], trainer)
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer


def pieces() -> Tokenizer:
    """As XLM-R's: a unigram model over words with a mark for the blank before them."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=SENTENCEPIECE, unk_token="<unk>")
    tokenizer.train_from_iterator([WORDS], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    return tokenizer


BERT = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "mask_token": "[MASK]", "unk_token": "[UNK]"}
ROBERTA = {
    "bos_token": "<s>",
    "cls_token": "<s>",
    "eos_token": "</s>",
    "sep_token": "</s>",
    "pad_token": "<pad>",
    "mask_token": "<mask>",
    "unk_token": "<unk>",
}
KINDS: Mapping[str, tuple[Any, Mapping[str, str]]] = {
    "Bert": (wordpieces, BERT),
    "DistilBert": (wordpieces, BERT),
    "Roberta": (bytepairs, ROBERTA),
    "XLMRoberta": (pieces, ROBERTA),
}


def make(
    folder: Path, kind: str, task: str, names: Sequence[str] = (), *, hidden: int = 32, layers: int = 2, seed: int = 0
) -> Path:
    """Writes a checkpoint of ``<kind>For<task>`` with random weights, large enough that its answers differ."""
    make_tokenizer, special = KINDS[kind]
    fast: Any = transformers.PreTrainedTokenizerFast
    tokenizer = fast(tokenizer_object=make_tokenizer(), **special)
    shape: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    if kind == "DistilBert":
        shape |= {"dim": hidden, "hidden_dim": 2 * hidden, "n_layers": layers, "n_heads": 4}
        shape["max_position_embeddings"] = 128
    else:
        shape |= {"hidden_size": hidden, "intermediate_size": 2 * hidden, "num_hidden_layers": layers}
        shape |= {"num_attention_heads": 4, "max_position_embeddings": 130, "initializer_range": 0.5}
        shape["type_vocab_size"] = 2 if kind == "Bert" else 1
    if names:
        shape |= {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    torch.manual_seed(seed)
    config = getattr(transformers, f"{kind}Config")(**shape)
    model = getattr(transformers, f"{kind}For{task}")(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    model.save_pretrained(folder, safe_serialization=True)
    tokenizer.save_pretrained(folder)
    return folder
