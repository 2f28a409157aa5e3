"""Turns the generator's documents into rows of token ids of one length, packed and marked by segment."""

from collections.abc import Iterator
from random import Random

import numpy as np

from harbour import chats
from tokenizer import BEGIN_OF_TEXT, END_OF_TEXT, PAD, Tokenizer

Document = tuple[list[int], list[bool]]


def texts(seed: int, documents: int) -> Iterator[str]:
    """Plain texts to train the tokenizer on."""
    rng = Random(seed)
    for _ in range(documents):
        if rng.random() < 0.12:
            yield chats.plain(rng)
        else:
            yield from (f"{role}\n{text}\n" for role, text in chats.chat(rng))


def document(
    rng: Random, tokenizer: Tokenizer, length: int, validation: bool = False, practice: float = 0.0, first: bool = False
) -> Document:
    """One document of at most `length` ids. Half of the chats open with the begin token, so both ways work."""
    if practice and rng.random() < practice:
        ids, own = tokenizer.encode_chat(chats.practice(rng, first))
        begin = rng.random() < 0.5
    elif not validation and rng.random() < 0.12:
        ids = tokenizer.encode(chats.plain(rng)) + [tokenizer.ids[END_OF_TEXT]]
        own, begin = [True] * len(ids), rng.random() < 0.8
    else:
        long = length > 512 and rng.random() < 0.8
        turns = chats.long_chat(rng, rng.randint(6, 24)) if long else chats.chat(rng, validation)
        ids, own = tokenizer.encode_chat(turns)
        begin = rng.random() < 0.5
    if begin:
        ids, own = [tokenizer.ids[BEGIN_OF_TEXT]] + ids, [False] + own
    return ids[:length], own[:length]


def batches(
    seed: int,
    tokenizer: Tokenizer,
    rows: int,
    length: int,
    validation: bool = False,
    practice: float = 0.0,
    first: bool = False,
) -> Iterator[dict[str, np.ndarray]]:
    """Endless batches, a share `practice` of the documents from `chats.practice`. They are packed into the first open row that has room, so little is padding."""
    rng = Random(seed)
    pad = tokenizer.ids[PAD]
    while True:
        ids = np.full((rows, length), pad, np.int32)
        segments = np.zeros((rows, length), np.int32)
        own = np.zeros((rows, length), np.float32)
        real = np.zeros((rows, length), np.float32)
        used, misses, segment = [0] * rows, 0, 0
        while misses < 12:
            doc, mine = document(rng, tokenizer, length, validation, practice, first)
            row = next((r for r in range(rows) if used[r] + len(doc) <= length), None)
            if row is None:
                misses += 1
                continue
            segment += 1
            span = slice(used[row], used[row] + len(doc))
            ids[row, span], own[row, span], real[row, span], segments[row, span] = doc, mine, 1, segment
            used[row] += len(doc)
        yield {"ids": ids, "segments": segments, "own": own, "real": real}
