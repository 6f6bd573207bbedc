"""`GAN`: a Wasserstein GAN with gradient penalty for tables (Gulrajani et al. 2017; CTGAN, Xu et al. 2019).

From CTGAN it has the packed critic (Lin et al. 2018) and training by sampling. Differs in what matters:
rows asked for at generation follow the levels' true frequencies, not their logarithms; the level asked for
is set, not paid for by a penalty; ordered columns reach the critic by a smooth basis of their codes' ranks
instead of a mixture fit; the critic sees whole codes, with gradients through their probabilities; the
generator starts from the columns' marginals, is averaged over steps, and is set to the marginals at the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsynth.codec.groups import Group, group_columns
from jaxsynth.codec.layout import CodeSpec
from jaxsynth.models.base import Batch, Condition, Game, Model, Params, PrivateGame, Training, training_of
from jaxsynth.models.conditioning import has_position, log_inside, position_limits, probabilities
from jaxsynth.models.draw import draw_codes, resample
from jaxsynth.models.gan_choice import Choice, Choices, RowIndex
from jaxsynth.models.gan_features import Features, one_hots
from jaxsynth.models.gan_pairs import PairCritic
from jaxsynth.models.row_keys import RowKeys
from jaxsynth.nets import LeakyMLP, SlotDense, TableHeads, apply

_EMBEDDING = 32  # size of a slot's embedding
_POOL = 8  # candidates a row when conditioning
_FINISH_ROWS = 8192  # generated rows that the marginals are set on, fewer in tables of very many codes
_FINISH_CELLS = 1 << 25
_FINISH_ROUNDS = 30
_INDEX_CELLS = 1 << 28  # row numbers in the index at most: columns beyond that are not asked for


@dataclass(frozen=True, kw_only=True)
class GAN:
    """Hyper-parameters of the generative adversarial network.

    Attributes:
        latent: size of the generator's noise.
        hidden: widths of the generator's hidden layers.
        critic: widths of the critic's hidden layers.
        pack: rows the critic judges together, which shows it a collapse onto few rows.
        penalty: weight of the critic's gradient penalty.
        critic_steps: steps of the critic before each of the generator.
        critic_rate: the critic's learning rate as a multiple of the generator's; where training is private, whose
            critic has no hidden layers, see `PrivateGame`.
        balance: training asks for levels by this power of their frequency: 1 as they occur, 0 all alike.
        asking: whether levels are asked for at all; never where training is private, for that draws rows by their
            cells.
        generator_steps: steps of the generator after those of the critic; 1 unless training is private.
        betas: Adam's decays.
        max_intervals: interval codes a continuous column is cut into at most.
        batch, epochs, min_steps, learning_rate, weight_decay, ema: see `Training`; no rows are held out.
    """

    latent: int = 128
    hidden: tuple[int, ...] = (256, 256)
    critic: tuple[int, ...] = (256, 256)
    pack: int = 2
    penalty: float = 10.0
    critic_steps: int = 1
    critic_rate: float = 4.0
    balance: float = 0.5
    asking: bool = True
    generator_steps: int = 1
    betas: tuple[float, float] = (0.5, 0.9)
    max_intervals: int = 64
    batch: int = 500
    epochs: int = 80
    min_steps: int = 3000
    learning_rate: float = 2e-4
    weight_decay: float = 0.0
    ema: float = 0.03

    @property
    def name(self) -> str:
        """The name in artefacts and on the command line."""
        return "gan"

    @property
    def training(self) -> Training:
        """How it is trained: a fixed schedule, for a game has no held-out loss to stop by."""
        return training_of(self, settle=0.0, validation=0.0, patience=1.0)

    def build(self, layout: tuple[CodeSpec, ...]) -> Model:
        """The model for a layout."""
        net = _Net.make(self, layout)
        game = Game(
            init=net.init_critic,
            index=net.choices.index,
            draw=net.draw,
            generate=net.generate,
            critic_loss=net.critic_loss,
            generator_loss=net.generator_loss,
            pack=self.pack,
            critic_steps=self.critic_steps,
            critic_rate=self.critic_rate,
            betas=self.betas,
        )
        private_game = cache(partial(self._private_game, net))
        return Model(init=net.init, sample=net.sample, game=game, private_game=private_game, finish=net.finish)

    def _private_game(self, net: _Net) -> PrivateGame:
        """A critic that is linear in fixed features and decays: the mean by which real rows differ lately."""
        critic = PairCritic.make(net.features)
        return PrivateGame(
            init=critic.init,
            generate=net.generate_freely,
            real_loss=lambda p, rows: -critic(p, net.features.of_codes(rows.codes)),
            made_loss=critic,
            generator_loss=lambda p, made: -critic(p, made),
            critic_steps=self.critic_steps,
            generator_steps=self.generator_steps,
            critic_rate=self.critic_rate,
            betas=self.betas,
        )


@dataclass(frozen=True, eq=False)
class _Net:
    """The modules for one layout and the pure functions over their parameters."""

    config: GAN
    layout: tuple[CodeSpec, ...]
    groups: tuple[Group, ...]
    features: Features
    choices: Choices
    enter: SlotDense
    trunk: LeakyMLP
    heads: TableHeads
    meet: SlotDense  # the critic's first layer
    judge: LeakyMLP  # and the others

    @classmethod
    def make(cls, config: GAN, layout: tuple[CodeSpec, ...]) -> _Net:
        groups = group_columns(layout)
        unordered = sorted(i for g in groups if g.basis is None for i in g.index)
        rows = max(1, int(layout[0].counts.sum()))
        most = max(1, _INDEX_CELLS // rows) if config.asking else 0
        choices = Choices.make(layout, tuple(unordered[:most]))
        return cls(
            config=config,
            layout=layout,
            groups=groups,
            features=Features.make(groups),
            choices=choices,
            enter=SlotDense(choices.slots, _EMBEDDING, config.hidden[0]),
            trunk=LeakyMLP(config.hidden[1:], norm=True),
            heads=TableHeads(groups, 0),
            meet=SlotDense(choices.slots, _EMBEDDING, config.critic[0]),
            judge=LeakyMLP((*config.critic[1:], 1), norm=False),
        )

    def init(self, key: jax.Array) -> Params:
        """The generator's parameters."""
        enter_key, trunk_key, heads_key = jax.random.split(key, 3)
        slot, hidden = jnp.zeros((1, 1), jnp.int32), self.config.hidden
        return {
            "enter": self.enter.init(enter_key, jnp.zeros((1, self.config.latent)), slot)["params"],
            "trunk": dict(self.trunk.init(trunk_key, jnp.zeros((1, hidden[0]))).get("params", {})),
            "heads": self.heads.init(heads_key, jnp.zeros((1, hidden[-1])))["params"],
        }

    def init_critic(self, key: jax.Array) -> Params:
        """The critic's parameters."""
        meet_key, judge_key = jax.random.split(key)
        pack = self.config.pack
        shown, slots = jnp.zeros((1, pack * len(self.features.kept))), jnp.zeros((1, pack), jnp.int32)
        return {
            "meet": self.meet.init(meet_key, shown, slots)["params"],
            "judge": self.judge.init(judge_key, jnp.zeros((1, self.config.critic[0])))["params"],
        }

    def draw(self, index: RowIndex, keys: RowKeys) -> tuple[Choice, jax.Array]:
        """Choices and rows that answer them."""
        return self.choices.draw_rows(index, keys, self.config.balance)

    def generate(self, params: Params, choice: Choice, keys: RowKeys) -> jax.Array:
        """Features (packs, f) of drawn codes, with the gradient of their probabilities."""
        return self._packed(self._made(params, choice, keys))

    def _made(self, params: Params, choice: Choice, keys: RowKeys) -> jax.Array:
        """The same row by row, (b, f)."""
        noise, place = keys.split(2)
        z = noise.each(lambda key: jax.random.normal(key, (self.config.latent,)))
        uniforms = place.each(lambda key: jax.random.uniform(key, (len(self.layout),))).T
        chances = [jax.nn.softmax(own, axis=1) for own in self._logits(params, z, choice)]
        codes = self._answer(jax.lax.stop_gradient(chances), choice, uniforms)
        parts = []
        for group, p in zip(self.groups, chances, strict=True):
            soft = jnp.where(_asked(group, choice)[:, None], 0.0, p)
            parts.append(one_hots(group, codes) + soft - jax.lax.stop_gradient(soft))
        return self.features.of_probabilities(parts)

    def generate_freely(self, params: Params, keys: RowKeys) -> jax.Array:
        """Features (b, f) of rows that nothing is asked of."""
        column, level, own = keys.split(3)
        choice = self.choices.picked(column.each(jax.random.uniform), level.each(jax.random.uniform))
        return self._made(params, choice, own)

    def critic_loss(
        self, critic: Params, made: jax.Array, rows: Batch, choice: Choice, keys: RowKeys
    ) -> jax.Array:
        """Score of generated rows over that of real ones, and the gradient penalty; (packs,)."""
        real = self._packed(self.features.of_codes(rows.codes))
        slots = choice.slot.reshape(len(real), -1)
        both = apply(self.meet, critic["meet"], jnp.concatenate([made, real]), jnp.concatenate([slots, slots]))
        scores = self._judge(critic, both)
        # What lies between a made and a real pack lies between their first layers' outputs: that layer is linear.
        made_in, real_in = jnp.split(both, 2)
        mix = self._packed(keys.each(jax.random.uniform))[:, :1]  # by a pack's first row
        between = jax.grad(lambda x: self._judge(critic, x).sum())(real_in + mix * (made_in - real_in))
        _, back = jax.vjp(lambda x: apply(self.meet, critic["meet"], x, slots), made)
        norm = jnp.sqrt(jnp.square(back(between)[0]).sum(1) + 1e-12)
        return scores[: len(made)] - scores[len(made) :] + self.config.penalty * jnp.square(norm - 1)

    def generator_loss(self, critic: Params, made: jax.Array, choice: Choice) -> jax.Array:
        """Minus the critic's score of generated rows, (packs,)."""
        return -self._judge(critic, apply(self.meet, critic["meet"], made, choice.slot.reshape(len(made), -1)))

    def _judge(self, critic: Params, met: jax.Array) -> jax.Array:
        scores: jax.Array = apply(self.judge, critic["judge"], met)
        return scores[:, 0]

    def _packed(self, shown: jax.Array) -> jax.Array:
        return shown.reshape(len(shown) // self.config.pack, -1)

    def _logits(self, params: Params, z: jax.Array, choice: Choice) -> list[jax.Array]:
        entered = apply(self.enter, params["enter"], z, choice.slot[:, None])
        hidden = jax.nn.leaky_relu(apply(self.trunk, params["trunk"], entered), 0.2)
        logits, _ = apply(self.heads, params["heads"], hidden)
        return list(logits)

    def _answer(self, chances: list[jax.Array], choice: Choice, uniforms: jax.Array) -> jax.Array:
        """Codes (b, columns): the level asked for, and drawn by uniforms (columns, b) in the other columns."""
        drawn = draw_codes(uniforms, self.groups, chances)
        asked = choice.column[:, None] == np.arange(len(self.layout))
        return jnp.where(asked, choice.level[:, None], drawn)

    def finish(self, params: Params, key: jax.Array) -> Params:
        """Set the heads' biases so that mean probabilities are the training frequencies, column by column."""
        noise_key, choice_key = jax.random.split(key)
        codes = sum(len(g.index) * g.width for g in self.groups)
        rows = max(1, min(_FINISH_ROWS, _FINISH_CELLS // codes))
        z = jax.random.normal(noise_key, (rows, self.config.latent))
        choice = self.choices.draw(choice_key, rows)
        logits = self._logits(params, z, choice)
        heads = dict(params["heads"])
        for i, (group, own) in enumerate(zip(self.groups, logits, strict=True)):
            heads[f"bias{i}"] += _correction(group, own, _asked(group, choice), choice.level)
        return {**params, "heads": heads}

    def sample(self, params: Params, key: jax.Array, n: int, condition: Condition | None) -> Batch:
        """Rows that answer choices at the levels' true frequencies; positions are uniform in their intervals."""
        latent_key, code_key, position_key = jax.random.split(key, 3)
        if condition is None:
            z, choice = self._candidates(latent_key, n, None)
        else:
            z, choice = self._conditioned(params, latent_key, n, condition)
        logits = self._logits(params, z, choice)
        chances = [probabilities(g, own, condition) for g, own in zip(self.groups, logits, strict=True)]
        codes = self._answer(chances, choice, jax.random.uniform(code_key, (len(self.layout), n)))
        low, high = position_limits(self.layout, codes, condition)
        u = jax.random.uniform(position_key, low.shape)
        positions = jnp.clip(low + (high - low) * u, 0.0, 1.0 - 2.0**-24)
        return Batch(codes, jnp.where(has_position(self.layout, codes), positions, 0.0))

    def _candidates(self, key: jax.Array, n: int, condition: Condition | None) -> tuple[jax.Array, Choice]:
        noise_key, choice_key = jax.random.split(key)
        z = jax.random.normal(noise_key, (n, self.config.latent))
        return z, self.choices.draw(choice_key, n, condition)

    def _conditioned(
        self, params: Params, key: jax.Array, n: int, condition: Condition
    ) -> tuple[jax.Array, Choice]:
        """Resample candidates by how likely the columns that were not chosen meet the condition too."""
        draw_key, pick_key = jax.random.split(key)

        def candidates(k: jax.Array) -> tuple[tuple[jax.Array, Choice], jax.Array]:
            z, choice = self._candidates(k, n, condition)
            inside = log_inside(self.groups, self._logits(params, z, choice), condition)
            others = [
                jnp.where(_asked(g, choice), 0.0, i).sum(0) for g, i in zip(self.groups, inside, strict=True)
            ]
            return (z, choice), jnp.stack(others).sum(0)

        pool, log_weights = jax.lax.map(candidates, jax.random.split(draw_key, _POOL))
        picked = resample(pick_key, log_weights.reshape(-1), n)
        z, choice = jax.tree.map(lambda a: a.reshape(-1, *a.shape[2:])[picked], pool)
        return z, choice


def _asked(group: Group, choice: Choice) -> jax.Array:
    """Which column of a group each row's choice is about, bool (g, b)."""
    return jnp.array(group.index, jnp.int32)[:, None] == choice.column[None]


def _correction(group: Group, logits: jax.Array, asked: jax.Array, level: jax.Array) -> jax.Array:
    """What to add to a group's biases, (g, width), by iterative scaling to the training frequencies."""
    prior = jnp.asarray(group.prior)
    given = (asked[:, None] & (level == np.arange(group.width)[:, None])).sum(2)

    def once(_: int, delta: jax.Array) -> jax.Array:
        p = jax.nn.softmax(logits + delta[..., None], axis=1)
        mean = (jnp.where(asked[:, None], 0.0, p).sum(2) + given) / logits.shape[2]
        return delta + jnp.clip(prior - jnp.log(mean + 1e-12), -1.0, 1.0)

    found: jax.Array = jax.lax.fori_loop(0, _FINISH_ROUNDS, once, jnp.zeros_like(prior))
    return found


def from_json(data: Mapping[str, Any]) -> GAN:
    """The configuration that an artefact holds."""
    return GAN(**{**data, **{name: tuple(data[name]) for name in ("hidden", "critic", "betas")}})
