"""The environment that trains a recommender: ``gymnasium.make("Lusifer/MovieLens-v0")`` after this import."""

from __future__ import annotations

import gymnasium

from lusifer.env.movielens_env import MovieLensEnv
from lusifer.env.world import World, load_world

ID = "Lusifer/MovieLens-v0"

if ID not in gymnasium.registry:
    gymnasium.register(ID, entry_point="lusifer.env.movielens_env:MovieLensEnv")

__all__ = ["ID", "MovieLensEnv", "World", "load_world"]
