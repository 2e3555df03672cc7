"""Users: find a user by number, by words, on the map or in the table, and see how they rate."""

import numpy as np
import streamlit as st

from lusifer.charts import user_charts
from lusifer.datasets import file_ids
from lusifer.ui import page_registry, session_keys, state
from lusifer.ui.components import data_tables, downloads, user_picker
from lusifer.ui.components.closing_popover import close_popover, closing_popover
from lusifer.ui.formatting import escape_markdown, format_day, format_duration, with_item_noun
from lusifer.ui.pages.users import map_view, profile_preview, user_tables

ctx = state.current_context()
data = ctx.dataset
everyone = user_tables.user_table(data)

st.title("Users", icon=":material/group:")
st.caption(
    f"{len(data.users):,} users gave {len(data.ratings):,} ratings to {len(data.items):,} "
    f"{escape_markdown(data.item_nouns[1])}. "
    "Choose one to see how they rate, then watch a simulated profile evolve."
)

with st.container(horizontal=True, vertical_alignment="bottom"):
    user = user_picker.pick_user()
    if st.button("Random user", icon=":material/casino:"):
        choices = ctx.recording.users if ctx.recording is not None else everyone["user_id"]
        user_picker.select_user(int(np.random.default_rng().choice(choices)))
        st.rerun()
    suggestions = user_picker.suggested_users(ctx)
    if suggestions:
        with closing_popover("Suggested users", "suggested", icon=":material/co_present:"):
            st.caption("Their histories span weeks and their preferences change.")
            for s in suggestions:
                text = f"User {data.user_label(s.user)}: {format_duration(s.seconds)}, {s.changes} preference changes"
                if st.button(text, key=f"demo-{s.user}", width="stretch"):
                    user_picker.select_user(s.user)
                    close_popover("suggested")
                    st.rerun()

map_view.show_map(ctx, state.open_store(), user)

if user is not None:
    person, stats = data.user(user), data.user_stats.loc[user]
    train = ctx.split.train.of_user(user)
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center"):
            st.subheader(
                f"User {escape_markdown(str(data.user_label(user)))}: {escape_markdown(person.description)}",
                width="stretch",
            )
            page_registry.show_page_link(
                "evolution",
                "Watch the profile evolve",
            )
            page_registry.show_page_link(
                "rate",
                with_item_noun("Predict ratings"),
            )
        with st.grid(4, min_column_width=150):
            st.metric("Ratings", f"{stats['ratings']:,.0f}")
            st.metric(
                "Mean rating",
                f"{stats['mean']:.2f}",
                f"{stats['mean'] - data.ratings.mean:+z.2f} vs. average",
                delta_color="off",
                delta_arrow="off",
            )
            st.metric(
                "Favourite genre",
                stats["favourite_genre"] or "–",
                help="Rated highest above the user's mean, shrunk for few ratings: the first bar of Genre preferences.",
            )
            st.metric(
                "Active for",
                format_duration(stats["last"] - stats["first"]),
            )
        span = f"Rated from {format_day(stats['first'])} to {format_day(stats['last'])}."
        if len(train):
            newest = train.timestamp[-40:]
            st.caption(
                f"{span} The newest {len(newest)} ratings of the training set, which the simulator reads, "
                f"span {format_duration(newest[-1] - newest[0])}."
            )
        else:
            st.caption(span)
            st.info(
                f"This user has no rating in the training set of {ctx.split.name}, so there is "
                "no history to read. Choose another split in the sidebar, or another user.",
                icon=":material/info:",
            )
        profile_preview.show_profile_preview(ctx, user)
        with st.grid(3, min_column_width=270, gap="medium"):
            with st.container():
                st.markdown("**History over time**")
                st.plotly_chart(
                    user_charts.rating_history(
                        user_tables.rating_history(ctx, user), (data.scale.lowest, data.scale.highest)
                    ),
                    alt=f"Ratings of user {data.user_label(user)} over time, test ratings shown as diamonds",
                )
            with st.container():
                st.markdown("**Rating distribution vs. all users**")
                st.plotly_chart(
                    user_charts.rating_distribution(user_tables.rating_distribution(ctx, user)),
                    alt=f"Share of each rating for user {data.user_label(user)} and for all users",
                )
            with st.container():
                st.markdown("**Genre preferences**")
                taste = user_tables.genre_taste_table(ctx, user)
                if taste.empty:
                    st.caption("Too few ratings.")
                else:
                    st.plotly_chart(
                        user_charts.genre_tastes(taste),
                        alt=f"Genres above and below the mean of user {data.user_label(user)}, "
                        f"{taste['genre'].iloc[0]} first",
                    )

st.subheader("All users")
known = user_tables.known_demographics(data)
with st.popover("Filter", icon=":material/filter_list:"):
    genders = st.pills("Gender", ["F", "M"], selection_mode="multi", key="f_gender") if "gender" in known else []
    occupations = (
        st.multiselect("Occupation", user_tables.column_values(data, "occupation"), key="f_trade")
        if "occupation" in known
        else []
    )
    genres = st.multiselect("Favourite genre", user_tables.column_values(data, "favourite_genre"), key="f_genre")
    min_ratings = st.number_input("Min. ratings", 0, value=0, step=10, key="f_least")
    days = st.number_input("Min. days active", 0, value=0, step=7, key="f_days")
rows = user_tables.filter_users(everyone, genders, occupations, genres, int(min_ratings), int(days))


if rows.empty:
    st.info("No user matches these filters. Widen one of them.", icon=":material/filter_list_off:")
else:
    limit_note = (
        f" The first {user_tables.MAX_ROWS:,} are listed: filter to see others."
        if len(rows) > user_tables.MAX_ROWS
        else ""
    )
    st.caption(
        f"{len(rows):,} of {len(everyone):,} users. Click a row to open it; click a heading to sort.{limit_note}"
    )
    rows = user_tables.add_histograms(ctx, rows.head(user_tables.MAX_ROWS))
    rows = rows.drop(columns=[c for c in ("age", "gender", "occupation") if c not in known])
    in_rows = np.flatnonzero(rows["user_id"] == user)
    shown, user_column = rows, st.column_config.NumberColumn("User", format="%d", width=60, pinned=True)
    if file_ids.COLUMN in data.users:
        shown = rows.assign(user_id=data.users[file_ids.COLUMN].reindex(rows["user_id"]).to_numpy())
        user_column = st.column_config.TextColumn("User", width="small", pinned=True)
    data_tables.pick_row(
        shown,
        key=session_keys.USER_TABLE,
        chosen=int(in_rows[0]) if len(in_rows) else None,
        on_pick=lambda row: user_picker.select_user(int(rows["user_id"].iloc[row])),
        height=420,
        column_order=user_tables.COLUMN_ORDER,
        alt="All users with demographics and activity",
        column_config={
            "user_id": user_column,
            "age": st.column_config.NumberColumn("Age", width=60),
            "gender": st.column_config.TextColumn("Gender", width="small"),
            "occupation": st.column_config.TextColumn("Occupation"),
            "ratings": st.column_config.ProgressColumn(
                "Ratings", format="%d", width=105, min_value=0, max_value=int(everyone["ratings"].max())
            ),
            "mean": st.column_config.NumberColumn("Mean", format="%.2f", width=65),
            "favourite_genre": st.column_config.TextColumn("Favourite genre"),
            "days": st.column_config.NumberColumn("Days active", format="%.1f", width="small"),
            "histogram": st.column_config.BarChartColumn(
                "Ratings 1 to 5" if data.scale.highest == 5 else "Ratings", y_min=0, y_max=1
            ),
        },
    )
    downloads.show_csv_button("These users as CSV", shown.drop(columns="histogram"), f"{data.name}-users.csv")
