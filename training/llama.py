"""llama.cpp on one GGUF file, through its Python wheel: tokens, logits, and text, for the checks."""

import random
from math import exp

import cyllama.llama.llama_cpp as cpp


class _Model(cpp.LlamaModel):
    """The wheel's context asks its model for `n_vocab`, which the wheel's model lacks."""

    @property
    def n_vocab(self) -> int:
        return self.get_vocab().n_vocab


class Llama:
    """One context, one sequence. Not a server: it answers one prompt after another."""

    def __init__(self, path: str):
        cpp.disable_logging()
        self.model = _Model(path_model=path, params=cpp.LlamaModelParams(), verbose=False)
        self.vocab = self.model.get_vocab()
        params = cpp.LlamaContextParams()
        params.n_ctx = self.model.n_ctx_train
        params.n_batch = params.n_ubatch = self.model.n_ctx_train
        params.n_threads = params.n_threads_batch = 1
        self.context = cpp.LlamaContext(model=self.model, params=params, verbose=False)

    def tokenize(self, text: str, add_special: bool = False, parse_special: bool = False) -> list[int]:
        return list(self.vocab.tokenize(text, add_special, parse_special)) if text else []

    def chat_prompt(self, turns: list[tuple[str, str]]) -> str:
        messages = [cpp.LlamaChatMessage(role=r, content=t) for r, t in turns]
        return self.model.chat_apply_template(self.model.get_default_chat_template(), messages, True)

    def scores(self, ids: list[int], start: int) -> list[float]:
        """Feeds `ids` at position `start` and returns the scores of the next token."""
        if start == 0:
            self.context.kv_cache_clear()
        batch = cpp.LlamaBatch(n_tokens=len(ids), embd=0, n_seq_max=1, verbose=False)
        batch.set_batch(ids, start, False)
        batch.set_last_logits_to_true()
        self.context.decode(batch)
        scores = list(self.context.get_logits())
        batch.close()
        return scores

    def generate(self, ids: list[int], limit: int = 160, temperature: float = 0.0, seed: int = 0) -> list[int]:
        """Continues `ids` until an end token or `limit` tokens; the most likely token at temperature zero."""
        rng = random.Random(seed)
        out: list[int] = []
        step = ids
        position = 0
        while len(out) < limit and len(ids) + len(out) < self.model.n_ctx_train:
            scores = self.scores(step, position)
            position += len(step)
            best = max(range(len(scores)), key=scores.__getitem__)
            if temperature > 0:
                weights = [exp((s - scores[best]) / temperature) for s in scores]
                best = rng.choices(range(len(scores)), weights)[0]
            if self.vocab.is_eog(best):
                break
            out.append(best)
            step = [best]
        return out

    def answer(self, turns: list[tuple[str, str]], **kwargs) -> str:
        ids = self.tokenize(self.chat_prompt(turns), add_special=True, parse_special=True)
        return self.vocab.detokenize(
            self.generate(ids, **kwargs), text_len_max=8192, remove_special=True, unparse_special=False
        )
