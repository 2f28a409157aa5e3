"""The LLaMA architecture in JAX, just as llama.cpp's `llama` reads it: RMSNorm, RoPE on neighbouring pairs, SwiGLU, tied embedding."""

from dataclasses import asdict, dataclass

import jax
import jax.numpy as jnp
import numpy as np

Params = dict[str, jax.Array]


@dataclass(frozen=True)
class Shape:
    """The size of the model. Widths are multiples of 32, so that every row fits Q8_0."""

    vocabulary: int
    width: int = 192
    layers: int = 5
    heads: int = 3
    kv_heads: int = 3
    hidden: int = 512
    context: int = 1024
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5

    @property
    def head_width(self) -> int:
        return self.width // self.heads

    def as_dict(self) -> dict:
        return asdict(self)


def matrices(shape: Shape) -> dict[str, tuple[int, int]]:
    """GGUF name -> (outputs, inputs) of every matrix."""
    kv = shape.kv_heads * shape.head_width
    out = {"token_embd": (shape.vocabulary, shape.width)}
    for i in range(shape.layers):
        out |= {
            f"blk.{i}.attn_q": (shape.width, shape.width),
            f"blk.{i}.attn_k": (kv, shape.width),
            f"blk.{i}.attn_v": (kv, shape.width),
            f"blk.{i}.attn_output": (shape.width, shape.width),
            f"blk.{i}.ffn_gate": (shape.hidden, shape.width),
            f"blk.{i}.ffn_up": (shape.hidden, shape.width),
            f"blk.{i}.ffn_down": (shape.width, shape.hidden),
        }
    return out


def norms(shape: Shape) -> list[str]:
    return [f"blk.{i}.{n}" for i in range(shape.layers) for n in ("attn_norm", "ffn_norm")] + ["output_norm"]


def initial(shape: Shape, seed: int) -> Params:
    """Gaussian matrices, smaller where they write to the residual stream; norms of one."""
    rng = np.random.default_rng(seed)
    params = {}
    for name, (rows, columns) in matrices(shape).items():
        scale = 0.02 if name == "token_embd" else columns**-0.5
        if name.endswith(("attn_output", "ffn_down")):
            scale /= (2 * shape.layers) ** 0.5
        params[name] = jnp.asarray(rng.normal(0, scale, (rows, columns)), jnp.float32)
    return params | {name: jnp.ones(shape.width, jnp.float32) for name in norms(shape)}


def count(params: Params) -> int:
    return sum(int(np.prod(p.shape)) for p in params.values())


def _norm(x: jax.Array, weight: jax.Array, eps: float) -> jax.Array:
    return x * jax.lax.rsqrt(jnp.mean(x * x, -1, keepdims=True) + eps) * weight


def _rope(x: jax.Array, base: float) -> jax.Array:
    """Turns neighbouring pairs (0,1), (2,3) … of `x` [batch, time, heads, width], as llama.cpp does for `llama`."""
    time, width = x.shape[1], x.shape[3]
    angle = np.arange(time)[:, None] * base ** (-np.arange(0, width, 2) / width)[None, :]
    cos, sin = (np.repeat(f(angle), 2, axis=1)[None, :, None, :].astype(np.float32) for f in (np.cos, np.sin))
    # (a, b) becomes (-b, a) by one small matrix product: strided slices and their gradients are slow on a CPU.
    quarter_turn = np.zeros((width, width), np.float32)
    even = np.arange(0, width, 2)
    quarter_turn[even + 1, even], quarter_turn[even, even + 1] = -1, 1
    return x * cos + (x @ quarter_turn) * sin


def logits(params: Params, ids: jax.Array, segments: jax.Array, shape: Shape) -> jax.Array:
    """Next-token scores [batch, time, vocabulary]. A token sees only earlier tokens of its own segment."""
    batch, time = ids.shape
    causal = jnp.tril(jnp.ones((time, time), bool))
    seen = (causal[None] & (segments[:, :, None] == segments[:, None, :]))[:, None]
    # Two dimensions wherever a matrix is applied, and a one-hot product in place of a lookup: on a CPU
    # XLA runs these twice as fast as the same sums over three dimensions and a scatter.
    x = jax.nn.one_hot(ids.reshape(-1), shape.vocabulary, dtype=jnp.float32) @ params["token_embd"]
    for i in range(shape.layers):
        p = {k.split(".")[2]: v for k, v in params.items() if k.startswith(f"blk.{i}.")}
        y = _norm(x, p["attn_norm"], shape.norm_eps)
        q = _rope((y @ p["attn_q"].T).reshape(batch, time, shape.heads, shape.head_width), shape.rope_base)
        k = _rope((y @ p["attn_k"].T).reshape(batch, time, shape.kv_heads, shape.head_width), shape.rope_base)
        v = (y @ p["attn_v"].T).reshape(batch, time, shape.kv_heads, shape.head_width)
        if shape.kv_heads != shape.heads:
            k, v = (jnp.repeat(z, shape.heads // shape.kv_heads, axis=2) for z in (k, v))
        score = jnp.einsum("bqhd,bkhd->bhqk", q, k) * shape.head_width**-0.5
        weight = jax.nn.softmax(jnp.where(seen, score, -1e9), -1)
        x = x + jnp.einsum("bhqk,bkhd->bqhd", weight, v).reshape(x.shape) @ p["attn_output"].T
        y = _norm(x, p["ffn_norm"], shape.norm_eps)
        x = x + (jax.nn.silu(y @ p["ffn_gate"].T) * (y @ p["ffn_up"].T)) @ p["ffn_down"].T
    x = _norm(x, params["output_norm"], shape.norm_eps)
    return (x @ params["token_embd"].T).reshape(batch, time, shape.vocabulary)


def loss(params: Params, batch: dict[str, jax.Array], shape: Shape) -> tuple[jax.Array, jax.Array]:
    """Weighted cross-entropy in nats to train on, and the same over the model's own words alone to report."""
    scores = logits(params, batch["ids"], batch["segments"], shape)[:, :-1]
    target = batch["ids"][:, 1:]
    same = batch["segments"][:, 1:] == batch["segments"][:, :-1]
    hit = jnp.arange(shape.vocabulary)[None, None] == target[..., None]
    nats = jax.nn.logsumexp(scores, -1) - jnp.where(hit, scores, 0).sum(-1)
    own = batch["own"][:, 1:] * same
    # Questions are learned lightly: the model answers, it does not ask.
    weight = same * batch["real"][:, 1:] * jnp.where(own > 0, 1.0, 0.1)
    return (nats * weight).sum() / weight.sum(), (nats * own).sum() / jnp.maximum(own.sum(), 1)
