"""Muon for the matrices inside the layers, AdamW for the embedding and the norms.

Muon replaces the momentum of a matrix by the nearest matrix whose singular values are about one
(five Newton-Schulz steps), after Keller Jordan's description; it needs about half the tokens AdamW needs.
"""

import jax
import jax.numpy as jnp

from model import Params

# The coefficients of the odd quintic that Muon iterates.
_A, _B, _C = 3.4445, -4.7750, 2.0315


def orthogonal(g: jax.Array) -> jax.Array:
    """Pushes the singular values of a stack of matrices [n, rows, columns] towards one."""
    tall = g.shape[1] > g.shape[2]
    x = g.transpose(0, 2, 1) if tall else g
    x = x / (jnp.linalg.norm(x, axis=(1, 2), keepdims=True) + 1e-7)
    for _ in range(5):
        s = x @ x.transpose(0, 2, 1)
        x = _A * x + (_B * s + _C * (s @ s)) @ x
    return x.transpose(0, 2, 1) if tall else x


def start(params: Params) -> dict[str, Params]:
    return {
        "momentum": {k: jnp.zeros_like(v) for k, v in params.items()},
        "square": {k: jnp.zeros_like(v) for k, v in params.items() if not _is_muon(k)},
    }


def _is_muon(name: str) -> bool:
    return name.startswith("blk.") and "norm" not in name


def update(
    params: Params,
    grads: Params,
    state: dict,
    step: jax.Array,
    rate: jax.Array,
    muon_rate: float = 0.02,
    adam_rate: float = 0.004,
    decay: float = 0.01,
) -> tuple[Params, dict]:
    """One step at a fraction `rate` (0 to 1) of the peak learning rates."""
    momentum, square, new = {}, {}, {}
    by_shape: dict[tuple, list[str]] = {}
    for name, g in grads.items():
        if _is_muon(name):
            momentum[name] = 0.95 * state["momentum"][name] + g
            by_shape.setdefault(g.shape, []).append(name)
            continue
        momentum[name] = 0.9 * state["momentum"][name] + 0.1 * g
        square[name] = 0.98 * state["square"][name] + 0.02 * g * g
        ahead = momentum[name] / (1 - 0.9 ** (step + 1))
        spread = jnp.sqrt(square[name] / (1 - 0.98 ** (step + 1))) + 1e-8
        new[name] = params[name] - rate * adam_rate * ahead / spread
    for shape, names in by_shape.items():
        ahead = orthogonal(jnp.stack([grads[n] + 0.95 * momentum[n] for n in names]))
        scale = max(1.0, shape[0] / shape[1]) ** 0.5
        for n, direction in zip(names, ahead):
            new[n] = params[n] * (1 - rate * muon_rate * decay) - rate * muon_rate * scale * direction
    return new, {"momentum": momentum, "square": square}
