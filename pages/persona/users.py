"""Users: find a user and see how they rate."""

import numpy as np
import streamlit as st

from lusifer.charts import user_charts
from lusifer.ui import state
from lusifer.ui.components import user_picker
from lusifer.ui.formatting import day, duration, literal, say
from lusifer.ui.pages.users import user_tables

picked = state.chosen()
data = picked.dataset
everyone = user_tables.table(picked, data.hash)

st.title("Users", icon=":material/group:")
st.caption(
    f"{len(data.users):,} people who gave {len(data.ratings):,} ratings to {len(data.items):,} {literal(data.words[1])}. "
    "Choose one to see how they rate, then watch a simulation of them take shape."
)

with st.container(horizontal=True, vertical_alignment="bottom"):
    user = user_picker.user_input()
    if st.button("Surprise me", icon=":material/casino:"):
        user_picker.go_to(int(np.random.default_rng().choice(everyone["user_id"])))
        st.rerun()
    found = state.suggestions(data, picked.split, data.hash, picked.split.name)
    if found:
        with st.popover("Good for a demonstration", icon=":material/co_present:"):
            st.caption("Histories that span weeks and change: there is something to see.")
            for s in found:
                text = f"User {s.user}: {duration(s.seconds)}, {s.changes} changes of taste"
                if st.button(text, key=f"demo-{s.user}", width="stretch"):
                    user_picker.go_to(s.user)
                    st.rerun()

if user is not None:
    person, stats = data.user(user), data.user_stats.loc[user]
    train = picked.split.train.of_user(user)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(f"User {user}: {literal(person.description)}", width="stretch")
            st.page_link(
                "pages/persona/evolution.py",
                label="Watch the profile form",
                icon=":material/timeline:",
                query_params=user_picker.address(user),
            )
            st.page_link(
                "pages/persona/rate.py",
                label=say("Have movies rated"),
                icon=":material/star_half:",
                query_params=user_picker.address(user),
            )
        with st.grid(4, min_column_width=150):
            st.metric("Ratings", f"{stats['ratings']:,.0f}")
            st.metric(
                "Mean rating",
                f"{stats['mean']:.2f}",
                f"{stats['mean'] - data.ratings.mean:+.2f} against all",
                delta_color="off",
                delta_arrow="off",
            )
            st.metric(
                "Favourite genre",
                stats["favourite_genre"] or "–",
                help="Rated highest above the user's own mean, with doubt for few ratings.",
            )
            st.metric(
                "Active for",
                duration(stats["last"] - stats["first"]),
                f"{day(stats['first'])} to {day(stats['last'])}",
                delta_color="off",
                delta_arrow="off",
            )
        if len(train):
            newest = train.timestamp[-40:]
            st.caption(
                f"The newest {len(newest)} ratings of the training part, which the simulator reads, "
                f"span {duration(newest[-1] - newest[0])}."
            )
        else:
            st.info(
                f"No rating of this user is in the training part of {picked.split.name}, so there is "
                "no history to read. Choose another split in the sidebar, or another user.",
                icon=":material/info:",
            )
        with st.grid(3, min_column_width=270, gap="medium"):
            with st.container():
                st.markdown("**History over time**")
                st.plotly_chart(
                    user_charts.history(user_tables.history(picked, user), (data.scale.lowest, data.scale.highest)),
                    alt=f"Ratings of user {user} over time, held-out ones marked by diamonds",
                )
            with st.container():
                st.markdown("**Ratings against everybody's**")
                st.plotly_chart(
                    user_charts.distribution(user_tables.distribution(picked, user)),
                    alt=f"Share of each rating for user {user} and for everybody",
                )
            with st.container():
                st.markdown("**Genre taste**")
                taste = user_tables.genre_tastes(picked, user)
                if taste.empty:
                    st.caption("Too few ratings to tell.")
                else:
                    st.plotly_chart(
                        user_charts.tastes(taste),
                        alt=f"Genres above and below user {user}'s mean, {taste['genre'].iloc[0]} first",
                    )

st.subheader("Everybody")
known = user_tables.demographics(picked, data.hash)
with st.popover("Filter", icon=":material/filter_list:"):
    genders = st.pills("Gender", ["F", "M"], selection_mode="multi", key="f_gender") if "gender" in known else []
    trades = (
        st.multiselect("Occupation", user_tables.values(picked, data.hash, "occupation"), key="f_trade")
        if "occupation" in known
        else []
    )
    genres = st.multiselect("Favourite genre", user_tables.values(picked, data.hash, "favourite_genre"), key="f_genre")
    least = st.number_input("At least so many ratings", 0, value=0, step=10, key="f_least")
    days = st.number_input("Active for at least so many days", 0, value=0, step=7, key="f_days")
rows = user_tables.filtered(everyone, genders, trades, genres, int(least), int(days))


def _open() -> None:
    chosen = st.session_state["people"].selection.rows
    if chosen:
        user_picker.go_to(int(rows["user_id"].iloc[chosen[0]]))


if rows.empty:
    st.info("Nobody fits these filters. Loosen one of them.", icon=":material/filter_list_off:")
else:
    shown = f" The first {user_tables.MOST:,} are listed: filter to see others." if len(rows) > user_tables.MOST else ""
    st.caption(f"{len(rows):,} of {len(everyone):,} users. Click a row to open it; click a heading to sort.{shown}")
    rows = user_tables.with_histograms(picked, rows.head(user_tables.MOST))
    rows = rows.drop(columns=[c for c in ("age", "gender", "occupation") if c not in known])
    st.dataframe(
        rows,
        key="people",
        hide_index=True,
        height=420,
        on_select=_open,
        selection_mode="single-row",
        alt="All users with demographics and activity",
        column_config={
            "user_id": st.column_config.NumberColumn("User", format="%d", width="small", pinned=True),
            "age": st.column_config.NumberColumn("Age", width="small"),
            "gender": st.column_config.TextColumn("Gender", width="small"),
            "occupation": st.column_config.TextColumn("Occupation"),
            "ratings": st.column_config.ProgressColumn(
                "Ratings", format="%d", min_value=0, max_value=int(everyone["ratings"].max())
            ),
            "mean": st.column_config.NumberColumn("Mean", format="%.2f", width="small"),
            "favourite_genre": st.column_config.TextColumn("Favourite genre"),
            "days": st.column_config.NumberColumn("Days active", format="%.1f", width="small"),
            "histogram": st.column_config.BarChartColumn(
                "Ratings 1 to 5" if data.scale.highest == 5 else "Ratings", y_min=0, y_max=1
            ),
        },
    )
