"""RNN4Rec as a rating regressor: a GRU reads a user's ratings in order and predicts the next one.

After Hidasi et al. 2016, "Session-based Recommendations with Recurrent Neural Networks"; ratings instead
of clicks, squared error instead of a ranking loss. Ours in numpy: the library that has one does not
install with a current numpy. The gradient is held against finite differences in the tests.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from lusifer.baselines.als import ALS
from lusifer.baselines.means import find_rows
from lusifer.baselines.predictor import Ids, PredictorSpec, Scores
from lusifer.datasets import RatingScale, RatingTable
from lusifer.progress import Progress, ignore_progress

Array = NDArray[np.float64]
Weights = dict[str, Array]


def make_weights(inputs: int, hidden: int, outputs: int, rng: np.random.Generator) -> Weights:
    """A GRU's weights (gates update, reset, candidate side by side) and a linear output."""
    return {
        "wx": rng.normal(0, inputs**-0.5, (inputs, 3 * hidden)),
        "wh": rng.normal(0, hidden**-0.5, (hidden, 3 * hidden)),
        "b": np.zeros(3 * hidden),
        "wo": rng.normal(0, 0.1 * hidden**-0.5, (hidden, outputs)),
        "bo": np.zeros(outputs),
    }


def _sigmoid(x: Array) -> Array:
    return 0.5 * (1 + np.tanh(0.5 * x))


def forward(w: Weights, x: Array) -> tuple[Array, list[Any]]:
    """States before each input and after the last (T+1 × B × hidden), and what `backward` needs.

    Args:
        w: the weights.
        x: inputs in order (T × B × inputs).
    """
    hidden = w["wh"].shape[0]
    states, cache = [np.zeros((x.shape[1], hidden))], []
    for inputs in x:
        h = states[-1]
        projected = inputs @ w["wx"] + w["b"]
        gates = _sigmoid(projected[:, : 2 * hidden] + h @ w["wh"][:, : 2 * hidden])
        z, r = gates[:, :hidden], gates[:, hidden:]
        c = np.tanh(projected[:, 2 * hidden :] + (r * h) @ w["wh"][:, 2 * hidden :])
        states.append((1 - z) * h + z * c)
        cache.append((inputs, h, z, r, c))
    return np.stack(states), cache


def backward(w: Weights, cache: list[Any], d_states: Array) -> Weights:
    """Gradient of all recurrent weights from that of the states (T+1 × B × hidden)."""
    hidden = w["wh"].shape[0]
    uh, cand = w["wh"][:, : 2 * hidden], w["wh"][:, 2 * hidden :]
    g = {k: np.zeros_like(w[k]) for k in ("wx", "wh", "b")}
    d_h = d_states[-1].copy()
    for step in range(len(cache) - 1, -1, -1):
        x, h, z, r, c = cache[step]
        d_c = d_h * z * (1 - c**2)
        d_rh = d_c @ cand.T
        d_gates = np.hstack([d_h * (c - h) * z * (1 - z), d_rh * h * r * (1 - r)])
        d_all = np.hstack([d_gates, d_c])
        g["wx"] += x.T @ d_all
        g["b"] += d_all.sum(axis=0)
        g["wh"][:, : 2 * hidden] += h.T @ d_gates
        g["wh"][:, 2 * hidden :] += (r * h).T @ d_c
        d_h = d_h * (1 - z) + d_rh * r + d_gates @ uh.T + d_states[step]
    return g


def loss(
    w: Weights, x: Array, factors: Array, target: Array, mask: Array, drop: Array | float = 1.0
) -> tuple[float, Weights]:
    """Half the mean squared error of every next rating, and its gradient.

    Args:
        w: the weights.
        x: inputs (T × B × inputs).
        factors: what the rated item multiplies the output with (T × B × outputs).
        target: the residual to predict (T × B).
        mask: 1 where there is one.
        drop: dropout mask of the states, scaled.
    """
    states, cache = forward(w, x)
    dropped_states = states[:-1] * drop
    error = (((dropped_states @ w["wo"] + w["bo"]) * factors).sum(axis=2) - target) * mask
    count = max(float(mask.sum()), 1.0)
    d_out = error[:, :, None] * factors / count
    d_states = np.zeros_like(states)
    d_states[:-1] = (d_out @ w["wo"].T) * drop
    gradient = backward(w, cache, d_states)
    gradient["wo"] = np.einsum("tbh,tbo->ho", dropped_states, d_out)
    gradient["bo"] = d_out.sum(axis=(0, 1))
    return float(0.5 * (error**2).sum() / count), gradient


class RNN4Rec:
    """Frozen ALS item factors in, the state's own user factors out; trained on every next rating.

    The epoch is chosen on a tenth of the users. Settings found on u1's training part.
    """

    def __init__(
        self,
        hidden: int = 32,
        window: int = 50,
        epochs: int = 15,
        rate: float = 1e-2,
        dropout: float = 0.6,
        factors: int = 5,
        batch: int = 64,
        average: int = 50,
    ) -> None:
        self.hidden, self.window, self.epochs, self.rate = hidden, window, epochs, rate
        self.dropout, self.factors, self.batch, self.average = dropout, factors, batch, average

    def fit(
        self, train: RatingTable, scale: RatingScale, *, seed: int = 0, on_progress: Progress = ignore_progress
    ) -> Self:
        """See `Predictor`."""
        rng = np.random.default_rng(seed)
        self.als = ALS(factors=self.factors).fit(train, scale, seed=seed)
        residual = train.rating - self.als.bias.predict(train.user, train.item)
        factors = self._outputs(train.item)
        # Scaled, so that inputs and targets are of size one.
        inputs = np.column_stack([residual[:, None] * factors, residual, factors[:, 1:]])
        users, offsets = train.user_ids, train.offsets
        held_out_users = set(rng.choice(len(users), max(len(users) // 10, 1), replace=False).tolist())
        pieces: dict[bool, list[tuple[int, int]]] = {False: [], True: []}
        for at in range(len(users)):
            for start in range(int(offsets[at]), int(offsets[at + 1]), self.window):
                end = min(start + self.window, int(offsets[at + 1]))
                pieces[at in held_out_users].append((start, end))
        parts = {k: self._batches(v, inputs, factors, residual) for k, v in pieces.items()}
        w = make_weights(inputs.shape[1], self.hidden, factors.shape[1], rng)
        best, self.weights = np.inf, w
        state: dict[str, Any] = {"m": _zeros(w), "v": _zeros(w), "t": 0}
        with threadpool_limits(1):
            for epoch in range(self.epochs):
                for at in rng.permutation(len(parts[False])):
                    x, f, y, mask = parts[False][at]
                    keep = rng.random((1, x.shape[1], self.hidden)) >= self.dropout
                    _, gradient = loss(w, x, f, y, mask, keep / (1 - self.dropout))
                    w = _adam(w, gradient, state, self.rate)
                held_out = sum(loss(w, *p)[0] * p[3].sum() for p in parts[True])
                if held_out < best:
                    best, self.weights = held_out, {k: v.copy() for k, v in w.items()}
                on_progress(epoch + 1, self.epochs)
            self._read(train, inputs)
        return self

    def _outputs(self, items: Ids) -> Array:
        """What an item multiplies a state's output with: 1 and its factors, of unit size."""
        item_factors = self.als.item_factors(items)
        return np.column_stack([np.ones(len(item_factors)), item_factors / max(float(self.als.items.std()), 1e-9)])

    def _batches(
        self, pieces: list[tuple[int, int]], inputs: Array, factors: Array, residual: Array
    ) -> list[tuple[Array, Array, Array, Array]]:
        """Pieces of like length together, padded at their end (T × B × …)."""
        pieces = sorted(pieces, key=lambda p: p[1] - p[0])
        result = []
        for at in range(0, len(pieces), self.batch):
            chunk = pieces[at : at + self.batch]
            length = max(e - s for s, e in chunk)
            rows = np.zeros((length, len(chunk)), dtype=np.int64)
            mask = np.zeros((length, len(chunk)))
            for column, (start, end) in enumerate(chunk):
                rows[: end - start, column] = np.arange(start, end)
                mask[: end - start, column] = 1
            result.append((inputs[rows], factors[rows], residual[rows], mask))
        return result

    def _read(self, train: RatingTable, inputs: Array) -> None:
        """Each user's factors: the mean of what the newest ``average`` states say.

        A state alone follows the last few ratings closely, which helps the very next one and little else.
        """
        self.user_ids, offsets = train.user_ids, train.offsets
        lengths = np.minimum(np.diff(offsets), self.window)
        self.users = np.zeros((len(self.user_ids), self.weights["wo"].shape[1]))
        for length in np.unique(lengths):  # users of one length are read together
            positions = np.flatnonzero(lengths == length)
            rows = (offsets[positions + 1] - length)[None] + np.arange(length)[:, None]
            states, _ = forward(self.weights, inputs[rows])
            mean = states[1:][-self.average :].mean(axis=0)
            self.users[positions] = mean @ self.weights["wo"] + self.weights["bo"]
        self.unknown = self.weights["bo"]

    def predict(self, users: Ids, items: Ids) -> Scores:
        """See `Predictor`."""
        rows = find_rows(self.user_ids, users)
        user = np.where((rows < 0)[:, None], self.unknown, self.users[rows])
        return self.als.bias.predict(users, items) + (user * self._outputs(items)).sum(axis=1)


def _zeros(w: Weights) -> Weights:
    return {k: np.zeros_like(v) for k, v in w.items()}


def _adam(w: Weights, g: Weights, state: dict[str, Any], rate: float) -> Weights:
    """One step of Adam (Kingma and Ba 2015, algorithm 1)."""
    state["t"] += 1
    out = {}
    for k in w:
        state["m"][k] = 0.9 * state["m"][k] + 0.1 * g[k]
        state["v"][k] = 0.999 * state["v"][k] + 0.001 * g[k] ** 2
        m, v = state["m"][k] / (1 - 0.9 ** state["t"]), state["v"][k] / (1 - 0.999 ** state["t"])
        out[k] = w[k] - rate * m / (np.sqrt(v) + 1e-8)
    return out


SPECS = (
    PredictorSpec(
        "rnn4rec",
        "RNN4Rec (GRU)",
        "a GRU that reads the user's ratings and predicts the next one, own implementation in numpy; "
        "frozen ALS item factors; a user is the mean of the newest 50 states",
        order=5,
        create=RNN4Rec,
        slow=True,
    ),
)
