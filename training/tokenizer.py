"""Byte-level BPE, trained here and read by llama.cpp as `gpt2` with the pre-tokenizer `llama-bpe`.

Every byte has a token, so any text can be encoded. Control tokens are never made from text: only
`encode_chat` writes them.
"""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import regex

# The split of the `llama-bpe` pre-tokenizer. It must stay the one that llama.cpp applies for that name.
SPLIT = regex.compile(
    r"(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
END_OF_TEXT, IM_START, IM_END = "<|end_of_text|>", "<|im_start|>", "<|im_end|>"
BEGIN_OF_TEXT, PAD = "<|begin_of_text|>", "<|pad|>"
CONTROL = (BEGIN_OF_TEXT, END_OF_TEXT, IM_START, IM_END, PAD)

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\\n' }}{%- endif -%}"
)


def byte_alphabet() -> dict[int, str]:
    """The printable stand-ins for the 256 bytes that GPT-2's vocabulary files use."""
    kept = [*range(33, 127), *range(161, 173), *range(174, 256)]
    moved = [b for b in range(256) if b not in kept]
    return {b: chr(b) for b in kept} | {b: chr(256 + i) for i, b in enumerate(moved)}


_BYTE = byte_alphabet()
_UNBYTE = {c: b for b, c in _BYTE.items()}


def _stand_in(text: str) -> str:
    return "".join(_BYTE[b] for b in text.encode("utf-8"))


class Tokenizer:
    """Ids: bytes first, then merges in the order they were learned, then the control tokens."""

    def __init__(self, merges: list[tuple[str, str]]):
        self.merges = merges
        self.tokens = sorted(_BYTE.values()) + [a + b for a, b in merges] + list(CONTROL)
        self.ids = {t: i for i, t in enumerate(self.tokens)}
        self._rank = {pair: i for i, pair in enumerate(merges)}
        self._cache: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, text: str) -> list[int]:
        """Plain text to ids. The names of control tokens in `text` are ordinary characters."""
        out: list[int] = []
        for word in SPLIT.findall(text):
            if word not in self._cache:
                self._cache[word] = self._merge(_stand_in(word))
            out += self._cache[word]
        return out

    def _merge(self, word: str) -> list[int]:
        # llama.cpp sets `ignore_merges` for llama-bpe: a word that is a token is taken whole.
        if word in self.ids and word not in CONTROL:
            return [self.ids[word]]
        parts = list(word)
        while len(parts) > 1:
            ranks = [(self._rank.get(pair, 1 << 30), i) for i, pair in enumerate(zip(parts, parts[1:]))]
            rank, i = min(ranks)
            if rank == 1 << 30:
                break
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        return [self.ids[p] for p in parts]

    def decode(self, ids: Iterable[int]) -> str:
        """Ids to text; control tokens are left out, broken UTF-8 shows as U+FFFD."""
        text = "".join(self.tokens[i] for i in ids if self.tokens[i] not in CONTROL)
        return bytes(_UNBYTE[c] for c in text).decode("utf-8", errors="replace")

    def encode_chat(self, turns: list[tuple[str, str]], open_answer: bool = False) -> tuple[list[int], list[bool]]:
        """A chat as `CHAT_TEMPLATE` writes it, and which of its ids the model itself would have written."""
        ids: list[int] = []
        own: list[bool] = []
        for role, text in turns:
            # Role and text are one stretch, as they are for a tokenizer that reads the written template.
            head, body = self.encode(role + "\n"), self.encode(role + "\n" + text)
            cut = len(head) if body[: len(head)] == head else len(body)
            ids += [self.ids[IM_START]] + body + [self.ids[IM_END]] + self.encode("\n")
            own += [False] * (1 + cut) + [role == "assistant"] * (len(body) - cut + 1) + [False]
        if open_answer:
            ids += [self.ids[IM_START]] + self.encode("assistant\n")
        return ids, own

    def save(self, path: Path) -> None:
        path.write_text(json.dumps({"merges": self.merges}, ensure_ascii=False))

    @classmethod
    def load(cls, path: Path) -> "Tokenizer":
        return cls([tuple(m) for m in json.loads(path.read_text())["merges"]])


def train(texts: Iterable[str], vocabulary: int) -> Tokenizer:
    """Learns merges until `vocabulary` tokens exist. Ties go to the pair that sorts first, so runs agree."""
    counts = Counter(w for text in texts for w in SPLIT.findall(text))
    words = [(list(_stand_in(w)), n) for w, n in sorted(counts.items()) if n > 2]
    merges: list[tuple[str, str]] = []
    pairs: Counter = Counter()
    where: dict[tuple[str, str], set[int]] = {}
    for i, (parts, n) in enumerate(words):
        for pair in zip(parts, parts[1:]):
            pairs[pair] += n
            where.setdefault(pair, set()).add(i)
    while len(merges) < vocabulary - 256 - len(CONTROL) and pairs:
        best = min(pairs, key=lambda p: (-pairs[p], p))
        if pairs[best] < 3:
            break
        merges.append(best)
        for i in sorted(where.pop(best)):
            parts, n = words[i]
            for pair in zip(parts, parts[1:]):
                pairs[pair] -= n
            parts[:] = _joined(parts, best)
            for pair in zip(parts, parts[1:]):
                pairs[pair] += n
                where.setdefault(pair, set()).add(i)
        del pairs[best]
    return Tokenizer(merges)


def _joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    out: list[str] = []
    i = 0
    while i < len(parts):
        if tuple(parts[i : i + 2]) == pair:
            out.append(parts[i] + parts[i + 1])
            i += 2
        else:
            out.append(parts[i])
            i += 1
    return out
