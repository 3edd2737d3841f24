"""The model card of a trained adapter, in Markdown."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from voxpop.models.checkpoint import BUNDLED
from voxpop.models.profile import TaskProfile
from voxpop.records import Language
from voxpop.training.datasets import TEST_PERCENT, VALIDATION_PERCENT
from voxpop.training.options import Options, chosen


class Origin(NamedTuple):
    """Where a set comes from, and under which licence."""

    title: str
    licence: str


ORIGINS: Mapping[str, Origin] = {
    "sentiment_en_sentfin": Origin("SEntFiN 1.0, news headlines with entities", "MIT"),
    "sentiment_en_twitter": Origin("Twitter financial news sentiment", "MIT"),
    "entity_sentiment_en_finentity": Origin("FinEntity, entity spans in financial news", "ODC-BY 1.0"),
    "topic_en_twitter": Origin("Twitter financial news topic", "MIT"),
    "nli_en_mnli": Origin("MultiNLI, a part", "OANC and Creative Commons"),
    "nli_en_snli": Origin("SNLI, a part", "CC BY-SA 4.0"),
    "nli_en_conjnli": Origin("ConjNLI", "MIT"),
    "nli_en_counterfactual": Origin("Counterfactually augmented NLI", "Apache-2.0"),
    "qa_en_squad_subset": Origin("SQuAD 1.1, a part", "CC BY-SA 4.0"),
    "qa_en_squadshifts_new_wiki": Origin("SQuADShifts, Wikipedia", "CC BY 4.0"),
    "qa_en_squadshifts_reddit": Origin("SQuADShifts, Reddit", "CC BY 4.0"),
    "qa_en_squadshifts_amazon_reviews": Origin("SQuADShifts, Amazon reviews", "CC BY 4.0"),
    "qa_en_policyqa": Origin("PolicyQA", "MIT"),
    "qa_en_tatqa": Origin("TAT-QA, span answers", "CC BY 4.0"),
    "sentiment_en": Origin("written for this project: opinions on companies", "Apache-2.0"),
    "nli_en": Origin("written for this project: finance inference", "Apache-2.0"),
    "nli_more_en": Origin("written for this project: inference, half of it of everyday genres", "Apache-2.0"),
    "events_en": Origin("written for this project: documents with risk events", "Apache-2.0"),
    "events_more_en": Origin("written for this project: documents with risk events, a second part", "Apache-2.0"),
    "nli_zh": Origin("written for this project: Chinese inference", "Apache-2.0"),
    "sentiment_risks_en": Origin("written for this project: English texts of risk events and of none", "Apache-2.0"),
    "sentiment_zh": Origin("written for this project: Chinese investors' posts and headlines", "Apache-2.0"),
    "finance_zh": Origin("written for this project: Chinese finance texts", "Apache-2.0"),
    "events_everyday_zh": Origin("written for this project: Chinese everyday texts, most without event", "Apache-2.0"),
    "sentiment_more_zh": Origin("written for this project: Chinese texts of every genre about companies", "Apache-2.0"),
    "sentiment_wide_zh": Origin("written for this project: hard Chinese posts, news and notices", "Apache-2.0"),
    "sentiment_pairs_zh": Origin("written for this project: Chinese texts that one detail turns", "Apache-2.0"),
    "sentiment_long_zh": Origin("written for this project: longer Chinese texts about companies", "Apache-2.0"),
    "parallel_zh": Origin("written for this project: English translations of our Chinese texts", "Apache-2.0"),
    "glossary_zh": Origin("written for this project: what Chinese words mean in English", "Apache-2.0"),
    "qa_zh_cmrc2018": Origin("CMRC 2018", "CC BY-SA 4.0"),
    "qa_zh_drcd": Origin("DRCD", "CC BY-SA 3.0"),
    "corpus_zh_laws": Origin("Chinese statutes", "public domain"),
    "corpus_zh_verified_statutes": Origin("verified-chinese-law-kb", "CC BY-SA 4.0"),
    "corpus_zh_dynamics": Origin("Dynamics 365 documentation", "CC BY 4.0"),
    "corpus_zh_projops": Origin("Dynamics 365 Project Operations documentation", "CC BY 4.0"),
    "corpus_zh_bitcoin_org": Origin("Bitcoin.org", "MIT"),
    "corpus_zh_akshare": Origin("AKShare documentation", "MIT"),
    "corpus_zh_vnpy": Origin("VeighNa documentation", "MIT"),
    "corpus_zh_ntrex_news": Origin("NTREX, news", "CC BY-SA 4.0"),
    "corpus_zh_wikipedia_in_the_news": Origin("ITN-corpus, Wikipedia's news", "CC BY-SA 3.0"),
    "corpus_zh_ud_gsdsimp_wikipedia": Origin("UD Chinese-GSDSimp", "CC BY-SA 4.0"),
    "corpus_zh_d2l_zh": Origin("Dive into Deep Learning", "Apache-2.0"),
    "corpus_zh_tidb_docs": Origin("TiDB documentation", "CC BY-SA 3.0"),
    "corpus_zh_paddle_docs": Origin("PaddlePaddle guides", "Apache-2.0"),
    "claims_en": Origin("written for this project: documents with claims", "Apache-2.0"),
}


def card(
    metrics: Mapping[str, Any], stated: TaskProfile, data: Sequence[Path], languages: Sequence[Language] = ("en",)
) -> str:
    """The card: what it is, data with licences, how it was split, what was measured, how to make it again."""
    task, options = metrics["task"], metrics["options"]
    spoken = " and ".join(_SPOKEN[lang] for lang in languages)
    lines = [
        f"# {task.capitalize()}, {spoken}",
        "",
        f"LoRA adapter (rank {options['rank']}, every linear layer) and linear head over {_encoder(stated)}.",
        f"It gives probabilities of: {', '.join(stated.labels)}.",
        "",
        *_ASKED[task],
        *([_WORDS] if options.get("words") else []),
        *([_NGRAMS] if options.get("ngrams") else []),
        "",
        "## Data",
        "",
        *_sets(data, metrics["rows"]),
        *_contrasts(task, options["contrasts"]),
        "",
        "## Measured on the test split",
        "",
        f"Weights as shipped, encoder in {metrics['dtype'].removeprefix('torch.')}.",
        "",
        *_measured(metrics["test"]),
        *_opposites(metrics.get("opposites")),
        *_calibration(metrics["calibration"]),
        "",
        "## Limits",
        "",
        _LIMITS if "en" in languages else f"{spoken} only. It is no investment advice.",
        "",
        "## Made again by",
        "",
        f"    {_command(task, stated, data, options)}",
        "",
        f"with Voxpop {version('voxpop')}; all options are in `metrics.json`.",
    ]
    return "\n".join(lines) + "\n"


_SPOKEN: Mapping[Language, str] = {"en": "English", "zh": "Chinese"}
_WORDS = "Words were trained beside it; two bits of each number are kept of what they learned."
_NGRAMS = "A linear part over n-grams of its tokens, fitted afterwards, is added to what the network says."
_LIMITS = (
    "English only. Trained on headlines, posts and short news passages up to 2023; other kinds of text, irony and"
    " long reports are read less well. It is no investment advice."
)


def pretraining_card(metrics: Mapping[str, Any], data: Sequence[Path]) -> str:
    """The card of a pretrained encoder: shape, text with licences, how often each was shown, what was measured."""
    options, held_out = metrics["options"], metrics["held_out"]
    given = " ".join(f"--data {shlex.quote(path.name)}" for path in data)
    weighed = "".join(f" --weight {name}={weight:g}" for name, weight in metrics["weights"].items())
    begun = " --start START" if "start" in metrics else ""
    taught = "".join(f" --parallel {name}" for name in metrics.get("parallel", ()))
    lines = ["# Encoder, Chinese", "", *_shape(metrics), "", "## Data", ""]
    lines += ["| text | licence | blocks | times an epoch |", "|---|---|---|---|"]
    for path, origin in map(_origin, data):
        name = path.name.split(".")[0]
        blocks, times = metrics["blocks"][name], metrics["weights"].get(name, 1)
        lines.append(f"| {origin.title} (`{path.name}`) | {origin.licence} | {blocks:,} | {times:g} |")
    lines += [
        f"| {origin.title} (`{path.name}`) | {origin.licence} | | |"
        for path, origin in map(_origin, map(Path, metrics.get("parallel", ())))
    ]
    lines += [
        "",
        "## Measured on text held out",
        "",
        "| text | hidden tokens | perplexity | accuracy |",
        "|---|---|---|---|",
    ]
    for name, of in held_out.items():
        if "perplexity" in of:
            lines.append(f"| {name} | {of['tokens']:,.0f} | {of['perplexity']:.2f} | {of['accuracy']:.3f} |")
    lines += ["", "Nearly equal paragraphs (of statutes above all) may lie on both sides."]
    if near := held_out.get("translations"):
        lines += [
            "",
            f"Of {near['texts']:,} translations held out: cosine to the English encoder's vector {near['cosine']:.3f};"
            f" {100 * near['found']:.0f} % of the texts are nearest to their own.",
        ]
    lines += ["", "## Made again by", ""]
    lines += [f"    voxpop pretrain {given}{weighed}{taught}{begun} --steps {options['steps']} --out DIR", ""]
    lines += [f"with Voxpop {version('voxpop')}; all options are in `metrics.json`."]
    return "\n".join(lines) + "\n"


def _shape(metrics: Mapping[str, Any]) -> list[str]:
    options = metrics["options"]
    steps = f"{metrics['steps']:,} steps of at most {options['batch_tokens'] * options['accumulate']:,} tokens"
    start = f", from the weights of an earlier run (manifest {metrics['start']})" if "start" in metrics else ""
    if metrics.get("layers"):
        return [
            f"{metrics['vocabulary']:,} words in half precision, over the layers of {metrics['layers']} (Apache-2.0) as"
            " they are; traditional characters are folded to simplified ones. Each word began as what it means in"
            " English, by a glossary written for this project and by CC-CEDICT (CC BY-SA 4.0).",
            f"The words then learned for {steps}{start}: from hidden tokens, and in"
            f" {100 * options['parallel_share']:.0f} % of the steps from translations.",
        ]
    return [
        f"BERT's shape, {options['layers']} layers of {options['hidden']}, {metrics['parameters']:,} weights in half"
        f" precision, {metrics['vocabulary']:,} entries; traditional characters are folded to simplified ones.",
        f"Masked language modelling for {steps}{start}.",
    ]


def _measured(test: Mapping[str, Mapping[str, float]]) -> list[str]:
    """A table of the figures, a row for each part of the test split."""
    names = [name for name in test["all"] if name != "n"]
    digits = 1 if "f1" in names else 3
    lines = [
        f"| part | rows | {' | '.join(name.replace('_', ' ') for name in names)} |",
        "|---" * (2 + len(names)) + "|",
    ]
    for part, figures in test.items():
        shown = " | ".join(f"{figures[name]:.{digits}f}" if name in figures else "–" for name in names)
        lines.append(f"| {part} | {figures['n']:,} | {shown} |")
    return lines


def _calibration(found: Mapping[str, float]) -> list[str]:
    unsure = ""
    if "unsure" in found:
        unsure = f" {found['unsure']:.1%} of the labels have a probability below {found['unsure_below']}: unsure."
    return [
        "",
        f"Expected calibration error, 15 bins of equal mass: {found['error_before']:.3f} as trained,"
        f" {found['error_after']:.3f} as scaled on the validation split.{unsure}",
    ]


_ASKED = {
    "topic": ["The head of a text is read, links left out."],
    "sentiment": [
        "Every mention of the entity that is asked about is hidden behind `[MASK]`, so that names carry no prior; the",
        "head sees the mean of all tokens beside that of the masks. Without an entity it speaks of the whole text.",
    ],
    "nli": ["Premise and hypothesis are read together; the head sees the mean of both beside that of the hypothesis."],
    "qa": [
        "Question and text are read together, the text in overlapping windows where it is long. The head gives each",
        "token a score as the first and as the last of the answer; `[CLS]` stands for no answer.",
    ],
}


def _command(task: str, stated: TaskProfile, data: Sequence[Path], options: Mapping[str, Any]) -> str:
    files = " ".join(f"--data {shlex.quote(path.name)}" for path in data)
    plain: dict[str, Any] = {name: tuple(of) if isinstance(of, list) else of for name, of in options.items()}
    shown = {name: options[name] for name in ("epochs", "learning_rate", "seed")} | chosen(Options(**plain))
    switches = " ".join(_switch(name, value) for name, value in shown.items())
    return f"voxpop train {task} {files} --out {stated.adapter.name} {switches}"


def _switch(name: str, value: object) -> str:
    """An option as the command takes it."""
    switch = "--" + name.replace("_", "-")
    if isinstance(value, bool):
        return switch if value else switch.replace("--", "--no-", 1)
    return f"{switch} {','.join(value) if isinstance(value, tuple) else value}"


def _encoder(stated: TaskProfile) -> str:
    if stated.encoder == BUNDLED:
        return f"{BUNDLED} (Apache-2.0)"
    return f"`{Path(stated.encoder).name}` (see its card)"


def _sets(data: Sequence[Path], rows: Mapping[str, int]) -> list[str]:
    """The sets with their licences, and how they were split."""
    return [
        "| set | licence |",
        "|---|---|",
        *(f"| {origin.title} (`{path.name}`) | {origin.licence} |" for path, origin in map(_origin, data)),
        "",
        f"Split by text: {100 - VALIDATION_PERCENT - TEST_PERCENT} % training, {VALIDATION_PERCENT} % validation,"
        f" {TEST_PERCENT} % test, by a hash. Exact repeats (but for links, case and punctuation) are removed first;"
        " texts that share their first or last eight words lie in one split."
        f" Rows: {', '.join(f'{count:,} {name}' for name, count in rows.items())}.",
    ]


def _origin(path: Path) -> tuple[Path, Origin]:
    return path, ORIGINS.get(path.name.split(".")[0], Origin("a set of your own", "yours to state"))


def _contrasts(task: str, pairs: int) -> list[str]:
    if task != "sentiment" or not pairs:
        return []
    return [f"To the training split are added {pairs:,} texts made by joining two of it that disagree."]


def _opposites(measured: Mapping[str, float] | None) -> list[str]:
    if measured is None:
        return []
    return [
        "",
        f"Texts that are good for one entity and bad for another: {measured['texts']}, with {measured['entities']} such"
        f" entities, of which {measured['accuracy']:.1%} are read rightly; in {measured['whole_texts']:.1%} of the"
        " texts all are.",
    ]
