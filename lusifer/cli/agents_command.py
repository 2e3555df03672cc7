"""``agents play`` and ``agents rank``: recommenders in the environment, as recorded runs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from lusifer import settings
from lusifer.cli import common_options
from lusifer.cli.common_options import add_data_options, add_model_options, add_price_options
from lusifer.errors import InvalidInputError

if TYPE_CHECKING:
    from lusifer.evaluation import RunContext

DEFAULT_AGENTS = "random,popularity,bias,linucb"


def register(commands: Any) -> list[argparse.ArgumentParser]:
    """Add the command; its leaves."""
    agents = commands.add_parser("agents", help="recommenders that learn from simulated users")
    actions = agents.add_subparsers(dest="action", required=True, metavar="ACTION")
    play = actions.add_parser("play", help="let agents recommend, and compare their rewards")
    add_data_options(play)
    add_model_options(play)
    play.add_argument("--agents", default=DEFAULT_AGENTS, help=f"names separated by commas (default: {DEFAULT_AGENTS})")
    play.add_argument("--steps", type=int, default=1000, help="interactions per agent and seed (default: 1000)")
    play.add_argument("--seeds", type=int, default=5, help="runs per agent; intervals are over them (default: 5)")
    play.add_argument("--seed", type=int, default=0, help="the first seed")
    play.add_argument("--users", type=int, help="number of users, spread over all (default: all)")
    play.add_argument("--slate", type=int, default=1, help="items per recommendation")
    play.add_argument("--length", type=int, default=50, help="most interactions of an episode")
    play.add_argument("--evolve-every", type=int, default=10, help="interactions between two updates of the profile")
    play.add_argument("--reward", default="sample", help="sample (default), expected, centred, click or diversity")
    add_price_options(play)
    play.set_defaults(run=_run_play)
    rank = actions.add_parser("rank", help="do agents rank here as by held-out ratings? (built-in, about a minute)")
    add_data_options(rank)
    rank.add_argument("--seed", type=int, default=0)
    rank.add_argument("--steps", type=int, help="interactions per agent and seed")
    rank.add_argument(
        "--comparison", metavar="RUN", help="rank recommenders by the simulated users of this comparison instead"
    )
    rank.set_defaults(run=_run_rank)
    return [play, rank]


def _run_play(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.env.agents import AGENT_TITLES
    from lusifer.env.recorded_agents import AgentPlaySpec, estimate_agent_play, run_agent_play
    from lusifer.env.rewards import REWARDS
    from lusifer.store import Store

    names = tuple(n.strip() for n in options.agents.split(",") if n.strip())
    for values, known, flag in ((names, AGENT_TITLES, "--agents"), ((options.reward,), REWARDS, "--reward")):
        unknown = [v for v in values if v not in known]
        if unknown or not values:
            raise InvalidInputError(
                f"{flag}: there is no {', '.join(unknown) or 'name'}.", f"Known: {', '.join(known)}."
            )
    if options.steps < 1 or options.seeds < 1:
        raise InvalidInputError("Agents need at least one step and one seed.", "Give larger numbers.")
    store = Store(settings.database_path())
    dataset, split = common_options.load_data(options, store)
    ctx = common_options.build_run_context(options, dataset, split, store, "steps")
    config = common_options.build_model_config(options, store)
    spec = AgentPlaySpec(
        names,
        options.steps,
        options.seeds,
        options.users,
        options.slate,
        options.length,
        options.evolve_every,
        options.reward,
    )
    price = common_options.confirm_price(options, estimate_agent_play(ctx, config, spec), f"{len(names)} agents")
    if price is not None:
        return price
    run = run_agent_play(ctx, config, spec)
    if not options.json:
        print(f"{'agent':24} {'reward':>25} {'rating':>7} {'skipped':>8} {'novelty':>8} {'coverage':>9}")
        for row in run.summary["agents"]:
            reward, rating, skipped, novelty, coverage = (
                "–" if row[k] is None else f"{row[k]:.3f}"
                for k in ("reward", "rating", "skipped", "novelty", "coverage")
            )
            if row["reward_low"] is not None:
                reward += f" ({row['reward_low']:.3f} to {row['reward_high']:.3f})"
            print(f"{AGENT_TITLES[row['agent']]:24} {reward:>25} {rating:>7} {skipped:>8} {novelty:>8} {coverage:>9}")
        print(f"run {run.id}")
    return {"run": run.id, **run.summary}


def _run_rank(options: argparse.Namespace) -> dict[str, Any]:
    from lusifer.env.recorded_agents import run_agent_ranking
    from lusifer.store import Store

    store = Store(settings.database_path())
    dataset, split = common_options.load_data(options, store)
    if options.comparison:
        return _rank_by_comparison(options, common_options.build_run_context(options, dataset, split, store))
    run = run_agent_ranking(common_options.build_run_context(options, dataset, split, store), steps=options.steps)
    summary = run.summary
    if not options.json:
        print(f"{summary['variants']} agents, {summary['users']} users; Kendall's tau with 95 % intervals:")
        for key, title in (("tau", "choosing among the same test items"), ("tau_episodes", "over whole episodes")):
            value, low, high = summary[key]
            print(f"  {title}: {value:.3f} ({low:.3f} to {high:.3f})")
        print(f"run {run.id}")
    return {"run": run.id, **summary}


def _rank_by_comparison(options: argparse.Namespace, ctx: RunContext) -> dict[str, Any]:
    from lusifer.runs.ranking import run_ranking

    run = run_ranking(ctx, options.comparison)
    summary = run.summary
    if not options.json:
        print(
            f"{summary['variants']} recommenders, {summary['users']} simulated and {summary['real_users']} real users"
        )
        for key, title in (
            ("tau", "Kendall's tau with all real users"),
            ("spearman", "Spearman's rho with all real users"),
            ("yardstick", f"tau of {summary['users']} real users"),
            ("gap", "tau less that of real users"),
        ):
            value, low, high = summary[key]
            print(f"  {title}: {value:.3f} ({low:.3f} to {high:.3f})")
        print(f"run {run.id}")
    return {"run": run.id, **summary}
