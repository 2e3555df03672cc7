"""The Environment page: runs of agents against simulated users, and the transcript of one episode."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from lusifer.charts import environment_charts
from lusifer.datasets import Dataset
from lusifer.env import agent_runs, agents
from lusifer.env.movielens_env import MovieLensEnv
from lusifer.env.world import World
from lusifer.runs import run_rows
from lusifer.ui.components import data_tables, downloads
from lusifer.ui.formatting import escape_markdown, with_item_noun

DEFAULT_AGENTS = ["random", "popularity", "bias", "linucb"]
REWARD_TITLES = {
    "sample": "a sampled rating",
    "expected": "the expected rating",
    "centred": "the rating above the user's mean",
    "click": "1 for every accepted item",
    "diversity": "the rating, minus a penalty for repetition",
}
REWARD_NAMES = {
    "sample": "sampled rating",
    "expected": "expected rating",
    "centred": "rating vs. user's mean",
    "click": "accepted",
    "diversity": "rating, diverse",
}
"""The same, short."""


def show_agreement(run: dict[str, Any]) -> None:
    """What the check says."""
    summary = run["summary"]
    same, whole = (_format_interval(summary[k][0], summary[k][1], summary[k][2], 2) for k in ("tau", "tau_episodes"))
    st.markdown(
        with_item_noun(
            f"**Choosing among each user's rated test movies, {summary['variants']} agents rank similarly in the "
            "environment and by held-out ratings: "
            f"Kendall's tau {same}.** Over whole episodes, where they choose among all movies, it is {whole}."
        )
    )
    st.caption(
        with_item_noun(
            "In episodes, agents also choose movies with few ratings. Held-out ratings don't cover those; the "
            "environment predicts "
            "low ratings for them. So agents that chase single five-star ratings rank high by one and low by the "
            f"other. {summary['users']} users, run {run['id']}; "
            "intervals over resampled users, seeds and agents."
        )
    )
    frame = pd.DataFrame(summary["rows"])
    with st.grid(2, min_column_width=420, gap="medium"):
        for column, title in (
            ("same_choices", "Same choices: gain in expected rating"),
            ("environment", "Episodes: mean expected reward"),
        ):
            with st.container():
                st.plotly_chart(
                    environment_charts.rank_agreement(frame, column, title),
                    alt=f"{title} vs. the gain in held-out ratings, one point per agent",
                )
    downloads.show_csv_button("Agents as CSV", frame, f"{run['id']}.csv")


def show_result(data: Dataset, run: dict[str, Any]) -> None:
    """Learning curves, the table of what agents are judged by, and the export."""
    log = run_rows.read_rows(run)
    if log is None or log.empty:
        st.caption(f"The rows of this run's log {run_rows.NO_ROWS}.")
        return
    reward = run["params"]["reward"]
    curves = agent_runs.learning_curves(log)
    curves["agent"] = curves["agent"].map(lambda a: agents.AGENT_TITLES.get(a, a))
    st.plotly_chart(
        environment_charts.learning_curves(curves, REWARD_NAMES.get(reward, reward)),
        alt="Mean reward of each agent over the run, with intervals over seeds",
    )
    summary = pd.DataFrame(run["summary"]["agents"]).astype({"reward": float})
    table = pd.DataFrame({"Agent": summary["agent"].map(lambda a: agents.AGENT_TITLES.get(a, a))})
    for column, title, digits in (
        ("reward", "Reward", 3),
        ("rating", "Mean rating", 2),
        ("skipped", "Skipped", 3),
        ("diversity", "Diversity", 3),
        ("novelty", "Novelty", 2),
        ("coverage", "Coverage", 3),
        ("length", "Episode length", 1),
    ):
        three = [column, f"{column}_low", f"{column}_high"]
        summary[three] = summary[three].astype(float)
        table[title] = [
            _format_interval(v, lo, hi, digits)
            for v, lo, hi in zip(summary[column], summary[f"{column}_low"], summary[f"{column}_high"], strict=True)
        ]
    data_tables.show_table(table, alt="Results of each agent, with intervals over seeds")
    st.caption(
        "Means with 95 % intervals over seeds. Diversity: one minus the genre similarity within an episode; novelty: "
        "bits, "
        "higher for items with few ratings; coverage: share of the catalog that was shown. Agents learn from one "
        "half of the "
        "training ratings; the reward uses the other half."
    )
    best = summary.sort_values("reward", ascending=False)["agent"].tolist()
    if len(run["params"]["seeds"]) > 1 and len(best) > 1:
        value, low, high = agent_runs.reward_difference(log, best[0], best[1])
        first, second = (agents.AGENT_TITLES.get(a, a) for a in best[:2])
        words = "significant" if low > 0 else "not significant"
        st.markdown(f"**{first}** is best, {value:+z.3f} ({low:+z.3f} to {high:+z.3f}) above {second}, {words}.")
    with st.container(horizontal=True):
        downloads.show_parquet_button("Log as Parquet", data.with_file_ids(log), f"{run['id']}.parquet")
        downloads.show_csv_button("Summary as CSV", summary, f"{run['id']}.csv")


def _format_interval(value: float, low: float, high: float, digits: int) -> str:
    if value != value:
        return "–"
    text = f"{value:.{digits}f}"
    return text if low != low else f"{text} ({low:.{digits}f} to {high:.{digits}f})"


def play_episode(world: World, name: str, user: int | None, seed: int, options: dict[str, Any]) -> list[dict[str, Any]]:
    """One episode of an agent: what was shown, what came back, and how the profile changed."""
    env = MovieLensEnv(world_=world, explain=True, **options)
    agent = agents.create_agent(name, world, seed)
    observation, info = env.reset(seed=seed, options={"user": user} if user is not None else None)
    talk = [{**info, "shown": []}]
    while True:
        shown = agent.act(observation, info["user_id"], env.known(), env.slate)
        action = int(shown[0]) if env.slate == 1 else shown
        observation, reward, terminated, truncated, info = env.step(action)
        agent.learn(shown, None if info["skipped"] else world.row(info["item_id"]), reward)
        talk.append({**info, "shown": info["shown"].tolist(), "reward": reward, "terminated": terminated})
        if terminated or truncated:
            return talk


def show_transcript(data: Dataset, talk: list[dict[str, Any]], limit: int = 40) -> None:
    """An episode as a talk between recommender and user."""
    st.markdown(f"**User {escape_markdown(str(data.user_label(talk[0]['user_id'])))}**")
    with st.expander("The profile at the start", icon=":material/person:"):
        st.text(talk[0]["profile"])
    for turn in talk[1 : limit + 1]:
        titles = [data.item(i).title for i in turn["shown"]]
        with st.chat_message("assistant", avatar=":material/recommend:"):
            st.markdown(escape_markdown(" · ".join(titles[:10])))
        with st.chat_message("user", avatar=":material/person:"):
            if turn["skipped"]:
                st.markdown(":gray-badge[:material/skip_next: Skipped]")
            else:
                title = data.item(turn["item_id"]).title
                which = f"{escape_markdown(title)}: " if len(titles) > 1 else ""
                drawn = f"drawn with a chance of {turn['chance']:.0%}; expected {turn['expected']:.1f}"
                st.markdown(
                    f"{which}**{turn['rating']:g}** :small[({drawn})]  \n"
                    f":small[{escape_markdown(turn.get('reason', ''))}]"
                )
            if turn["evolved"]:
                st.markdown(f":blue-badge[:material/edit: Profile updated] {escape_markdown(turn['explanation'])}")
    if talk[-1].get("terminated"):
        st.caption("The user's patience ran out.")
