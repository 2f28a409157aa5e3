"""Trains the demo model from nothing and leaves weights, tokenizer and figures in a folder.

python train.py --out build            the whole run
python train.py --out build --resume   the same, from the last finished lesson
python train.py --out build --steps 30 short lessons, to time a machine
"""

import argparse
import hashlib
import json
import os
import platform
import sys
import time
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np

import corpus
import harbour
import model
import optimiser
import tokenizer as bpe
from tokenizer import Tokenizer

SEED = 20_261_121
VOCABULARY = 1280
LONG_LENGTH, SHORT_LENGTH = 1024, 256


@dataclass(frozen=True)
class Lesson:
    """One run of the schedule, with a fresh optimiser. `practice` is the share of text from `chats.practice`."""

    name: str
    steps: int
    peak: float
    rows: int
    practice: float
    # From this share of the steps on, rows are long, so that the whole context window is trained.
    long_from: float
    long_practice: float
    # Whether half of the practice is what a new user types first.
    first_words: bool = False

    def rate(self, step: int) -> float:
        """Share of the peak learning rates: warm-up over 3 %, flat to 45 %, then straight down to a fiftieth."""
        done = step / self.steps
        if done < 0.03:
            return self.peak * (step + 1) / max(1, 0.03 * self.steps)
        return self.peak * (1.0 if done < 0.45 else 0.02 + 0.98 * (1 - done) / 0.55)


LESSONS = (
    Lesson("language", 320, 1.0, 24, practice=0.0, long_from=0.85, long_practice=0.0),
    Lesson("care", 330, 0.6, 16, practice=0.6, long_from=0.94, long_practice=0.6),
    Lesson("polish", 180, 0.5, 16, practice=0.6, long_from=0.6, long_practice=0.0, first_words=True),
)


@partial(jax.jit, static_argnames="shape", donate_argnums=(0, 1))
def train_step(params, state, batch, step, scale, shape):
    (_, own), grads = jax.value_and_grad(model.loss, has_aux=True)(params, batch, shape)
    params, state = optimiser.update(params, grads, state, step, scale)
    return params, state, own


def evaluate(params, tokenizer, shape, validation: bool, batches: int = 4) -> float:
    """Mean nats per token of the model's own words, on text that no training batch holds."""
    score = jax.jit(model.loss, static_argnames="shape")
    source = corpus.batches(SEED + (7 if validation else 8), tokenizer, 24, SHORT_LENGTH, validation)
    return float(np.mean([score(params, next(source), shape)[1] for _ in range(batches)]))


def digest(params: model.Params) -> str:
    hasher = hashlib.sha256()
    for name in sorted(params):
        hasher.update(np.asarray(params[name]).tobytes())
    return hasher.hexdigest()


def teach(
    params: model.Params, lesson: Lesson, number: int, tokenizer: Tokenizer, shape: model.Shape
) -> tuple[model.Params, dict]:
    """Runs one lesson; returns the weights and what it took."""
    state = optimiser.start(params)
    seed = SEED + 10 * number
    short = corpus.batches(
        seed + 1, tokenizer, lesson.rows, SHORT_LENGTH, practice=lesson.practice, first=lesson.first_words
    )
    long = corpus.batches(seed + 2, tokenizer, lesson.rows // 4, LONG_LENGTH, practice=lesson.long_practice)
    seen, recent, curve, began = 0, [], [], time.monotonic()
    for step in range(lesson.steps):
        batch = next(short if step < lesson.long_from * lesson.steps else long)
        seen += int(batch["real"].sum())
        params, state, own = train_step(params, state, batch, jnp.float32(step), jnp.float32(lesson.rate(step)), shape)
        recent.append(float(own))
        if step % 20 == 19 or step == lesson.steps - 1:
            spent = time.monotonic() - began
            curve.append([step + 1, round(float(np.mean(recent)), 4)])
            recent = []
            print(
                f"{lesson.name}: step {step + 1}/{lesson.steps}  loss {curve[-1][1]:.4f}  {seen / spent:,.0f} tokens/s  "
                f"ETA {spent / (step + 1) * (lesson.steps - step - 1) / 60:.1f} min",
                flush=True,
            )
    return params, asdict(lesson) | {
        "tokens_seen": seen,
        "wall_s": round(time.monotonic() - began),
        "weights_sha256": digest(params),
        "curve": curve,
    }


def train(out: Path, lessons: tuple[Lesson, ...], resume: bool) -> None:
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = bpe.train(corpus.texts(SEED, 20_000), VOCABULARY)
    tokenizer.save(out / "tokenizer.json")
    shape = model.Shape(vocabulary=len(tokenizer))
    params = model.initial(shape, SEED)
    print(
        f"{model.count(params):,} parameters, vocabulary {len(tokenizer)}, {sum(x.steps for x in lessons)} steps",
        flush=True,
    )
    taught = []
    for number, lesson in enumerate(lessons):
        saved, notes = out / f"lesson-{number + 1}.npz", out / f"lesson-{number + 1}.json"
        if resume and notes.exists():
            with np.load(saved) as weights:
                params = {k: jnp.asarray(weights[k]) for k in weights.files}
            taught.append(json.loads(notes.read_text()))
            print(f"{lesson.name}: taken from {saved.name}", flush=True)
            continue
        params, took = teach(params, lesson, number, tokenizer, shape)
        np.savez(saved, **{k: np.asarray(v) for k, v in params.items()})
        notes.write_text(json.dumps(took))
        taught.append(took)
    figures = {
        "parameters": model.count(params),
        "shape": shape.as_dict(),
        "steps": sum(x["steps"] for x in taught),
        "tokens_seen": sum(x["tokens_seen"] for x in taught),
        "seed": SEED,
        "generator": harbour.VERSION,
        "loss_nats_per_token": {
            "training": taught[-1]["curve"][-1][1],
            "fresh_text": round(evaluate(params, tokenizer, shape, False), 4),
            "held_out_questions": round(evaluate(params, tokenizer, shape, True), 4),
        },
        "training_wall_s": sum(x["wall_s"] for x in taught),
        "weights_sha256": digest(params),
        "lessons": taught,
        "tools": {
            "python": platform.python_version(),
            "jax": jax.__version__,
            "jaxlib": jaxlib.__version__,
            "numpy": np.__version__,
        },
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
    }
    np.savez(out / "weights.npz", **{k: np.asarray(v) for k, v in params.items()})
    (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    print(json.dumps({k: v for k, v in figures.items() if k != "lessons"}, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, help="cut every lesson to this many steps")
    parser.add_argument("--resume", action="store_true", help="take finished lessons from the folder")
    args = parser.parse_args()
    if args.steps is not None and args.steps < 1:
        sys.exit("--steps must be at least 1")
    train(args.out, tuple(replace(x, steps=args.steps or x.steps) for x in LESSONS), args.resume)


if __name__ == "__main__":
    main()
