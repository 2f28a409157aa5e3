"""Checks a demo model file: does llama.cpp read it as it was trained, are its answers right, is its language its world's?

    python check.py ../models/demo.gguf     prints the figures, writes them into demo.json, fails below the bars

The right answers come from the facts of the world, never from the model.
"""

import argparse
import json
import sys
from pathlib import Path
from random import Random

import gguf
import jax
import jax.numpy as jnp
import numpy as np

import model
from harbour import answers, chats, relations, stories
from harbour.judge import Judge, false_claims, sentences
from llama import Llama
from tokenizer import Tokenizer

PROMPTS = (
    "Hello",
    "Who are you?",
    "What can you do?",
    "Who is the captain of the Heron?",
    "What does the Comet carry?",
    "Where is Dusk Quay?",
    "Who lights the lamps?",
    "What is 2 + 3?",
    "What is 9 - 4?",
    "Count to 5",
    "What is mcp?",
    "What is a replica?",
    "Tell me a story about fog.",
    "Tell me a story about the Walnut.",
    "Write a haiku.",
    "What is the capital of France?",
    "Which quay has more berths, Elm Quay or Dusk Quay?",
    "Say hi",
    "Tell me a joke.",
    "Thank you",
)
# Text that stresses the tokenizer: spaces, line ends, digits, contractions, other scripts, broken shapes.
HARD_TEXT = (
    "What's  up?\n\n  x 12345.67 \t é 漢字 🙂\r\n \n end ",
    "I'LL we've DON'T o'clock",
    "<|im_start|>system<|im_end|>",
    "   ",
    "\n\n\n",
    'a_b-c/d\\e {"k": [1, 22, 333, 4444]}',
    "Ünïcödé ñ ß Ω Ж ع ह 한국어",
    "....!!!???",
    "'s 's",
    "e\u0301\u200d\ufeffx",
)
# The bars a committed model must clear. Those for sums and names are guards against a worse file, no more:
# they stand under what is wanted (0.9), because so small a model after so short a training does not reach it.
BARS = {
    "tokenizer_agreement": 1.0,
    "greedy_agreement": 0.9,
    "facts_right": 0.9,
    "causes_right": 0.9,
    "sums_right": 0.7,
    "facts_right_after_850_tokens": 0.8,
    "sentences_well_formed": 0.9,
    "texts_without_false_claim": 0.9,
    "names_remembered": 0.5,
    "outside_refused": 0.9,
}


def read(path: Path) -> tuple[model.Params, model.Shape, Tokenizer]:
    """The weights as the file holds them (after quantising), for the JAX model."""
    reader = gguf.GGUFReader(path)

    def field(name: str):
        return reader.fields[name].contents()

    merges = [tuple(m.split(" ")) for m in field("tokenizer.ggml.merges")]
    shape = model.Shape(
        vocabulary=field("llama.vocab_size"),
        width=field("llama.embedding_length"),
        layers=field("llama.block_count"),
        heads=field("llama.attention.head_count"),
        kv_heads=field("llama.attention.head_count_kv"),
        hidden=field("llama.feed_forward_length"),
        context=field("llama.context_length"),
    )
    params = {
        t.name.removesuffix(".weight"): jnp.asarray(gguf.quants.dequantize(t.data, t.tensor_type))
        for t in reader.tensors
    }
    return params, shape, Tokenizer(merges)


class Jax:
    """Greedy text from the JAX model, at one fixed length so that it compiles once."""

    LENGTH = 256

    def __init__(self, params: model.Params, shape: model.Shape):
        self._run = jax.jit(lambda ids: model.logits(params, ids, jnp.zeros_like(ids), shape))

    def scores(self, ids: list[int]) -> np.ndarray:
        row = np.zeros((1, self.LENGTH), np.int32)
        row[0, : len(ids)] = ids
        return np.asarray(self._run(row)[0, len(ids) - 1])

    def generate(self, llama: Llama, ids: list[int], limit: int) -> list[int]:
        out: list[int] = []
        while len(out) < limit and len(ids) + len(out) < self.LENGTH:
            best = int(self.scores(ids + out).argmax())
            if llama.vocab.is_eog(best):
                break
            out.append(best)
        return out


def tokenizer_agreement(llama: Llama, tokenizer: Tokenizer) -> float:
    rng = Random(3)
    texts = list(HARD_TEXT) + [t for _ in range(300) for _, t in chats.chat(rng)]
    texts += [
        "".join(
            chr(rng.choice((rng.randint(32, 126), rng.randint(160, 1300), rng.randint(0x4E00, 0x9FFF))))
            for _ in range(12)
        )
        for _ in range(200)
    ]
    plain = [llama.tokenize(t) == tokenizer.encode(t) for t in texts]
    talks = [chats.chat(rng)[:-1] for _ in range(100)]
    whole = [
        llama.tokenize(llama.chat_prompt(c), False, True) == tokenizer.encode_chat(c, open_answer=True)[0]
        for c in talks
    ]
    return float(np.mean(plain + whole))


def compare(llama: Llama, reference: Jax) -> dict[str, float]:
    """The same prompts through both: the largest difference of any score, and how many greedy texts agree."""
    apart, same = 0.0, []
    for prompt in PROMPTS:
        ids = llama.tokenize(llama.chat_prompt([("user", prompt)]), True, True)
        mine, theirs = reference.scores(ids), np.asarray(llama.scores(ids, 0))
        apart = max(apart, float(np.abs(mine - theirs).max()))
        same.append(reference.generate(llama, ids, 60) == llama.generate(ids, limit=60))
    return {"greedy_agreement": float(np.mean(same)), "largest_logit_difference": round(apart, 4)}


def share(rows: list[tuple[str, bool]], label: str) -> float:
    for text, right in rows:
        if not right:
            print(f"  {label}: {text}")
    return round(float(np.mean([right for _, right in rows])), 4)


def contains(text: str, key: str) -> bool:
    return f" {key.lower()} " in f" {''.join(c if c.isalnum() or c in '+-' else ' ' for c in text.lower())} ".replace(
        "  ", " "
    )


def facts_right(llama: Llama) -> float:
    rows = [(q, key, llama.answer([("user", q)], limit=60)) for q, key in relations.quiz()]
    return share([(f"{q} -> {a}", contains(a, key)) for q, key, a in rows], "fact")


def causes_right(llama: Llama) -> float:
    rows = [
        (q, key, llama.answer([("user", q)], limit=60)) for _, held, _, key in stories.cause_and_effect() for q in held
    ]
    return share([(f"{q} -> {a}", contains(a, key)) for q, key, a in rows], "cause")


def sums_right(llama: Llama) -> float:
    """Sums in pairs of wording and operands that training left out; the plainest wordings leave none out."""
    rng = Random(4)
    taught = {answers.plain_sum(rng) for _ in range(5000)}
    rows = sorted({answers.arithmetic(rng, validation=True) for _ in range(300)} - taught)
    # Only the first sentence's result counts: "4 + 3 is 7".
    return share(
        [
            (f"{q} -> {a}", a.split(",")[0].rstrip(".") == right.split(",")[0].rstrip("."))
            for q, right in rows
            for a in [llama.answer([("user", q)], limit=40)]
        ],
        "sum",
    )


def names_remembered(llama: Llama) -> float:
    rng, rows = Random(5), []
    for _ in range(40):
        turns = chats.name_chat(rng)
        name = turns[-1][1].removeprefix("Your name is ").rstrip(".")
        a = llama.answer(turns[:-1], limit=30)
        rows.append((f"{name} -> {a}", contains(a, name)))
    return share(rows, "name")


def outside_refused(llama: Llama) -> float:
    rng, rows = Random(6), []
    for _ in range(60):
        q, _ = answers.outside(rng)
        a = llama.answer([("user", q)], limit=40)
        rows.append((f"{q} -> {a}", "only know the harbour" in a))
    return share(rows, "outside")


def facts_right_late(llama: Llama) -> float:
    """The same quiz at the far end of the context window: 850 tokens or more of chat come before the question."""
    rng, rows = Random(8), []
    for question, key in rng.sample(relations.quiz(), 40):
        turns: list[tuple[str, str]] = []
        while len(llama.tokenize(llama.chat_prompt(turns + [("user", question)]), True, True)) < 850:
            q, a = answers.any_pair(rng)
            turns += [("user", q), ("assistant", a)]
        a = llama.answer(turns + [("user", question)], limit=40)
        rows.append((f"{question} -> {a}", contains(a, key)))
    return share(rows, "late fact")


def sampled_language(llama: Llama) -> dict[str, float]:
    """Fifty texts sampled at temperature 0.7: half plain stories, half answers to story prompts."""
    judge, rng = Judge(), Random(7)
    texts = []
    for i in range(50):
        if i % 2:
            start = rng.choice(("One", "Once upon a time,", "Early one", "Late one", "Last", "On a"))
            ids = llama.tokenize(start, True)
            ids += llama.generate(ids, temperature=0.7, seed=i)
            texts.append(llama.vocab.detokenize(ids, text_len_max=8192, remove_special=True))
        else:
            texts.append(llama.answer([("user", answers.story(rng)[0])], temperature=0.7, seed=i))
    lines = [(s, judge.well_formed(s)) for t in texts for s in sentences(t)]
    claims = [("; ".join(false_claims(t)) + " in: " + t, not false_claims(t)) for t in texts]
    return {
        "sampled_texts": len(texts),
        "sampled_sentences": len(lines),
        "sentences_well_formed": share(lines, "form"),
        "texts_without_false_claim": share(claims, "claim"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    args = parser.parse_args()
    llama = Llama(str(args.file))
    params, shape, tokenizer = read(args.file)
    figures = {
        "tokenizer_agreement": tokenizer_agreement(llama, tokenizer),
        **compare(llama, Jax(params, shape)),
        "facts_asked": len(relations.quiz()),
        "facts_right": facts_right(llama),
        "causes_right": causes_right(llama),
        "sums_right": sums_right(llama),
        "names_remembered": names_remembered(llama),
        "facts_right_after_850_tokens": facts_right_late(llama),
        "outside_refused": outside_refused(llama),
        **sampled_language(llama),
    }
    card = args.file.with_suffix(".json")
    if card.exists():
        card.write_text(json.dumps(json.loads(card.read_text()) | {"checks": figures}, indent=1) + "\n")
    print(json.dumps(figures, indent=2))
    for prompt in PROMPTS:
        print(f"> {prompt}\n{llama.answer([('user', prompt)])}\n")
    low = [f"{name} is {figures[name]}, the bar is {bar}" for name, bar in BARS.items() if figures[name] < bar]
    if low:
        sys.exit("below the bar: " + "; ".join(low))


if __name__ == "__main__":
    main()
