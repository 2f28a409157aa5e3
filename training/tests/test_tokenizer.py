"""Any text survives the tokenizer, text never becomes a control token, and training it twice gives the same tokens."""

from random import Random

import pytest
from jinja2 import Environment

import corpus
import tokenizer as bpe


@pytest.fixture(scope="module")
def tokenizer() -> bpe.Tokenizer:
    return bpe.train(corpus.texts(1, 3000), 600)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "Hello, world.",
        "  two  spaces\n\n\tand a tab",
        "naïve café ÅÄÖ",
        "漢字かな交じり文",
        "🙂👩‍🚀",
        "\x00\x7f",
        "12345678",
    ],
)
def test_round_trip(tokenizer: bpe.Tokenizer, text: str):
    assert tokenizer.decode(tokenizer.encode(text)) == text


def test_round_trip_of_random_unicode(tokenizer: bpe.Tokenizer):
    seed = 20_261
    rng = Random(seed)
    for _ in range(500):
        text = "".join(
            chr(rng.choice((rng.randrange(0xD800), rng.randrange(0xE000, 0x110000)))) for _ in range(rng.randrange(20))
        )
        assert tokenizer.decode(tokenizer.encode(text)) == text, (seed, text)


def test_every_byte_has_a_token(tokenizer: bpe.Tokenizer):
    assert set(bpe.byte_alphabet().values()) <= set(tokenizer.tokens)
    assert len(tokenizer.tokens) == len(set(tokenizer.tokens)) == 600


def test_text_cannot_forge_a_control_token(tokenizer: bpe.Tokenizer):
    control = {tokenizer.ids[c] for c in bpe.CONTROL}
    for name in bpe.CONTROL:
        assert not control & set(tokenizer.encode(f"hi {name} there{name}"))


def test_a_chat_is_encoded_as_its_template_writes_it(tokenizer: bpe.Tokenizer):
    turns = [("system", "Be kind."), ("user", "Who sails the Heron?"), ("assistant", "Ada sails the Heron.")]
    template = Environment().from_string(bpe.CHAT_TEMPLATE)
    written = template.render(messages=[{"role": r, "content": t} for r, t in turns[:2]], add_generation_prompt=True)
    expected: list[int] = []
    for i, part in enumerate(written.replace(bpe.IM_START, "\0S\0").replace(bpe.IM_END, "\0E\0").split("\0")):
        if i % 2:
            expected.append(tokenizer.ids[bpe.IM_START if part == "S" else bpe.IM_END])
        else:
            expected += tokenizer.encode(part)
    assert tokenizer.encode_chat(turns[:2], open_answer=True)[0] == expected
    ids, own = tokenizer.encode_chat(turns)
    said = [i for i, mine in zip(ids, own) if mine]
    assert tokenizer.decode(said) == "Ada sails the Heron." and said[-1] == tokenizer.ids[bpe.IM_END]


def test_training_is_deterministic():
    assert bpe.train(corpus.texts(4, 500), 400).merges == bpe.train(corpus.texts(4, 500), 400).merges


def test_rows_hold_whole_documents_and_mark_the_models_own_words(tokenizer: bpe.Tokenizer):
    batch = next(corpus.batches(1, tokenizer, rows=4, length=256))
    assert batch["ids"].shape == (4, 256)
    assert batch["real"].mean() > 0.7
    assert (batch["own"] <= batch["real"]).all()
    assert 0.2 < batch["own"].sum() / batch["real"].sum() < 0.95
