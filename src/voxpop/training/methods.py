"""What is trained of the encoder: LoRA, AdaLoRA, a prefix or all of it; and what each leaves for ``models.bert``."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from voxpop.errors import SettingError
from voxpop.models.bert import ADAPTED, HEAD_SIZE, Inputs, Weights, encode_words, layers_of
from voxpop.models.checkpoint import EncoderFiles
from voxpop.models.classifier import open_encoder
from voxpop.models.engine import find_device
from voxpop.training.network import Network, build, plain_encoder
from voxpop.training.options import Options

ORTHOGONAL = 0.5
"""Weight of AdaLoRA's regulariser, peft's default."""


def build_network(files: EncoderFiles, labels: int, options: Options, *, steps: int, spans: bool = False) -> Network:
    """A fresh network for the method of ``options``, in main memory, which is to be trained for ``steps`` steps.

    Initial values follow from torch's random state.

    Raises:
        SettingError: words are to be trained beside another method than LoRA.
    """
    if options.words and options.method != "lora":
        raise SettingError("Words are trained beside LoRA alone: leave out --words, or --method")
    card = find_device(options.device).type == "cuda"
    if options.method == "adalora":
        return _adalora(files, labels, options, steps, spans, card)
    if options.method == "full":
        return FullNetwork(files, labels, spans=spans, card=card)
    if options.method == "prefix":
        return PrefixNetwork(files, labels, options.prefix_tokens, spans=spans)
    return build(files, labels, options, spans=spans, card=card)


# --- AdaLoRA ---------------------------------------------------------------------------------------------------------


class AdaLoraNetwork(Network):
    """Updates B E A with singular values E, of which the least important are set to 0 step by step.

    Zhang et al. 2023, arXiv 2303.10512. It begins with half as much rank again as ``options.rank``, which is the mean
    rank at the end; layers that matter more keep more.
    """

    def penalty(self) -> Tensor | None:
        """The mean over A and B of their distance from orthogonality, in the Frobenius norm."""
        products = []
        for name, p in self.encoder.named_parameters():
            if "lora_A" in name or "lora_B" in name:
                product = p @ p.T if "lora_A" in name else p.T @ p
                products.append(torch.linalg.norm(product - torch.eye(len(product), device=p.device)))
        return ORTHOGONAL * torch.stack(products).mean()

    def after_step(self, step: int) -> None:
        """Estimates what matters, and sets to 0 what exceeds the budget."""
        self.encoder.base_model.update_and_allocate(step)  # type: ignore[operator, union-attr]

    def adapter(self) -> dict[str, Tensor]:
        """The update as plain LoRA pairs of one rank, that of the widest layer, with E and the scale folded into A."""
        pairs = {name: self._pair(module) for name, module in self._layers().items()}
        rank = max(1, *(len(down) for down, _ in pairs.values()))
        tensors = {}
        for name, (down, up) in pairs.items():
            missing = rank - len(down)
            tensors[f"{name}.lora_A.weight"] = nn.functional.pad(down, (0, 0, 0, missing))
            tensors[f"{name}.lora_B.weight"] = nn.functional.pad(up, (0, missing))
        return tensors

    def _pair(self, layer: Any) -> tuple[Tensor, Tensor]:
        down, values, up = (getattr(layer, f"lora_{part}")["default"].detach() for part in "AEB")
        kept = values[:, 0] != 0
        scale = layer.scaling["default"] / (layer.ranknum["default"] + 1e-5)  # as SVDLinear.forward has it
        return (down * values * scale)[kept], up[:, kept]

    def _layers(self) -> dict[str, Any]:
        return {name: module for name, module in self.encoder.named_modules() if hasattr(module, "lora_E")}

    def warm(self, adapter: Mapping[str, Tensor], head: Mapping[str, Tensor]) -> None:
        """Refused: what was pruned cannot be grown again.

        Raises:
            ValueError: always.
        """
        raise ValueError("AdaLoRA begins anew; go on with --method lora")

    def exported(self, options: Options) -> Options:
        """The scale is folded in, so alpha equals the rank."""
        rank = len(next(tensor for name, tensor in self.adapter().items() if "lora_A" in name))
        return replace(options, rank=rank, alpha=rank)

    def described(self) -> dict[str, Any]:
        """The rank that each layer kept."""
        ranks = {name.removeprefix("base_model.model."): len(self._pair(of)[0]) for name, of in self._layers().items()}
        return {"ranks": ranks}

    def memory(self) -> dict[str, Tensor]:
        """The allocator's running means, and which singular values are left."""
        allocator, pattern = self._allocator, self._config.rank_pattern or {}
        means = {f"importance/{name}": value for name, value in allocator.exp_avg_ipt.items()}
        means |= {f"uncertainty/{name}": value for name, value in allocator.exp_avg_unc.items()}
        return means | {f"pattern/{name}": torch.tensor(kept) for name, kept in pattern.items()}

    def remember(self, memory: Mapping[str, Tensor]) -> None:
        """Puts the allocator back where it was."""
        kinds: dict[str, dict[str, Tensor]] = {"importance": {}, "uncertainty": {}, "pattern": {}}
        for name, tensor in memory.items():
            kind, _, of = name.partition("/")
            kinds[kind][of] = tensor
        self._allocator.exp_avg_ipt, self._allocator.exp_avg_unc = kinds["importance"], kinds["uncertainty"]
        self._allocator.ipt = {name: torch.zeros_like(tensor) for name, tensor in kinds["importance"].items()}
        self._config.rank_pattern = {name: kept.tolist() for name, kept in kinds["pattern"].items()} or None

    @property
    def _allocator(self) -> Any:
        return self.encoder.base_model.rankallocator  # type: ignore[union-attr]

    @property
    def _config(self) -> Any:
        return self.encoder.peft_config["default"]  # type: ignore[index]


def _adalora(files: EncoderFiles, labels: int, options: Options, steps: int, spans: bool, card: bool) -> Network:
    from peft import AdaLoraConfig, get_peft_model

    base = plain_encoder(files, card=card)
    first = max(options.rank + 1, round(1.5 * options.rank))
    config = AdaLoraConfig(
        init_r=first,
        target_r=options.rank,
        # peft divides by the first rank; so the updates are scaled by alpha / rank, as those of LoRA are.
        lora_alpha=round(options.alpha / options.rank * first),
        lora_dropout=0.0,
        orth_reg_weight=ORTHOGONAL,
        target_modules=list(ADAPTED),
        total_step=steps,
        tinit=steps // 10,
        tfinal=3 * steps // 10,
        deltaT=max(1, steps // 100),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers by a name that is to go
        adapted = get_peft_model(base, config)
    return AdaLoraNetwork(adapted, base.config.hidden_size, labels, spans=spans)


# --- all of the encoder ----------------------------------------------------------------------------------------------


class FullNetwork(Network):
    """Every weight of the encoder is trained. Its adapter is the difference, tensor by tensor: ``delta.<name>``."""

    def __init__(self, files: EncoderFiles, labels: int, *, spans: bool = False, card: bool = False) -> None:
        base = plain_encoder(files, card=card)
        super().__init__(base, base.config.hidden_size, labels, spans=spans)
        self._files = files

    def adapter(self) -> dict[str, Tensor]:
        """What training has added to each tensor; nothing is left out."""
        before = open_encoder(self._files)
        return {f"delta.{name}": p.detach().cpu() - before[name] for name, p in self.encoder.named_parameters()}

    def warm(self, adapter: Mapping[str, Tensor], head: Mapping[str, Tensor]) -> None:
        """Adds the differences of an earlier run.

        Raises:
            ValueError: they are no differences of these tensors.
        """
        mine = {f"delta.{name}": p for name, p in self.encoder.named_parameters()}
        if mine.keys() != adapter.keys() or head["weight"].shape != self.head.weight.shape:
            raise ValueError("its adapter is of another method")
        for name, p in mine.items():
            p.data.add_(adapter[name].to(p.device))
        self.head.load_state_dict(dict(head))


# --- a prefix --------------------------------------------------------------------------------------------------------


class PrefixNetwork(Network):
    """The encoder is frozen; in each layer every token also looks at keys and values that are trained.

    Li and Liang 2021, arXiv 2101.00190, without their reparametrisation, as Liu et al. 2022, arXiv 2110.07602, have it
    for encoders. peft's own puts them into the cache of a decoder, which BERT has not.
    """

    def __init__(self, files: EncoderFiles, labels: int, tokens: int, *, spans: bool = False) -> None:
        encoder = PrefixEncoder(open_encoder(files), tokens)
        super().__init__(encoder, encoder.words.embedding_dim, labels, spans=spans)

    def adapter(self) -> dict[str, Tensor]:
        """``prefix.<layer>.key`` and ``.value``, (heads, tokens, 32) each."""
        encoder = self.encoder
        assert isinstance(encoder, PrefixEncoder)
        return encoder.prefix()


class PrefixEncoder(nn.Module):
    """``models.bert`` itself, with trained keys and values among its weights; so what is trained is what is loaded."""

    def __init__(self, weights: Weights, tokens: int) -> None:
        super().__init__()
        words = weights["embeddings.word_embeddings.weight"]
        # Buffers, so that they go where the module goes; their names may hold no dot.
        self._names = {name: name.replace(".", "/") for name, tensor in weights.items() if tensor is not words}
        for name, at in self._names.items():
            self.register_buffer(at, weights[name], persistent=False)
        self.words: nn.Embedding = nn.Embedding.from_pretrained(words)  # type: ignore[no-untyped-call]
        shape = (words.shape[1] // HEAD_SIZE, tokens, HEAD_SIZE)
        self.keys, self.values = (
            nn.ParameterList([nn.Parameter(0.02 * torch.randn(shape)) for _ in range(layers_of(weights))])
            for _ in range(2)
        )

    def get_input_embeddings(self) -> nn.Module:
        """The word embeddings, by the name that ``transformers`` gives the question."""
        return self.words

    def prefix(self) -> dict[str, Tensor]:
        """The trained tensors by the names that they have in a file."""
        named = {f"prefix.{layer}.key": tensor for layer, tensor in enumerate(self.keys)}
        return named | {f"prefix.{layer}.value": tensor for layer, tensor in enumerate(self.values)}

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> SimpleNamespace:
        """Hidden states (b, w, d), under the name that ``transformers`` gives them."""
        real = attention_mask.bool()
        batch = Inputs(input_ids, real, torch.zeros_like(real), token_type_ids.bool())
        weights = {name: self.get_buffer(at) for name, at in self._names.items()} | self.prefix()
        return SimpleNamespace(last_hidden_state=encode_words(weights, self.words(input_ids), batch))
