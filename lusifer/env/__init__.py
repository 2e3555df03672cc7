"""The environment that trains a recommender: ``gymnasium.make("Lusifer/MovieLens-v0")`` after this import."""

from __future__ import annotations

import gymnasium

from lusifer.env.movielens import MovieLensEnv
from lusifer.env.world import World, world

ID = "Lusifer/MovieLens-v0"

if ID not in gymnasium.registry:
    gymnasium.register(ID, entry_point="lusifer.env.movielens:MovieLensEnv")

__all__ = ["ID", "MovieLensEnv", "World", "world"]
