"""Rate movies: choose some, have them rated by the simulated user, compare with the truth."""

import numpy as np
import streamlit as st

from lusifer.charts import rating_charts
from lusifer.errors import LusiferError
from lusifer.evaluation.comparison import threshold
from lusifer.simulator.estimate import for_rating
from lusifer.simulator.evolution import context_after
from lusifer.ui import formatting, state
from lusifer.ui.components import evolution_runner, item_picker, job_panel, posters, user_picker
from lusifer.ui.formatting import literal, safe_csv, say
from lusifer.ui.pages.rate import calibration_view, rating_results

picked = state.chosen()
data = picked.dataset

st.title(say("Rate movies"), icon=":material/star_half:")
st.caption("How would this user rate them? The simulator knows the profile and the newest ratings, no more.")

with st.container(horizontal=True, vertical_alignment="bottom"):
    user = user_picker.user_input()
    if user is None:
        st.stop()
    try:
        what = picked.plan(user)
        steps, wanted = evolution_runner.steps_of(picked, what)
    except LusiferError as error:
        state.show_error(error)
        st.stop()
    if steps:
        number = st.selectbox("Profile after step", list(range(len(steps), 0, -1)), key="from_step", width=160)
    st.page_link(
        "pages/persona/evolution.py",
        label="See this profile",
        icon=":material/timeline:",
        query_params=user_picker.address(user, int(number) if steps else 1),
    )
if len(steps) < wanted:
    st.info(
        f"{len(steps)} of {wanted} profile steps exist for this model. Compute the rest to rate from "
        "the whole history.",
        icon=":material/hourglass_empty:",
    )
    evolution_runner.offer(picked, what, len(steps), wanted)
if not steps:
    st.stop()

chosen_key = "movies"
if st.session_state.get("_movies_for") != (data.name, picked.split.id, user):
    st.session_state[chosen_key] = item_picker.held_out(picked, user)[:20]
    st.session_state["_movies_for"] = (data.name, picked.split.id, user)


def _set(ids: list[int]) -> None:
    st.session_state[chosen_key] = ids


with st.container(border=True):
    st.subheader(say("Choose movies"), icon=":material/view_list:")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        text = st.text_input(
            "Search titles",
            placeholder=data.items["title"].iloc[0][:20].lower(),
            width=240,
            key="movie_search",
            type="search",
            live=True,
        )
        genres = st.multiselect("With genres", data.genres, width=280, key="movie_genres")
        years = data.items["year"].dropna()
        low, high = (int(years.min()), int(years.max())) if len(years) else (0, 0)
        span = st.slider("Years", low, high, (low, high), width=220, key="movie_years") if low < high else (low, high)
    with st.container(horizontal=True):
        st.button(
            say("The user's held-out movies"),
            icon=":material/visibility_off:",
            on_click=_set,
            args=(item_picker.held_out(picked, user)[: item_picker.MOST],),
        )
        st.button(
            "Popular and unseen",
            icon=":material/trending_up:",
            on_click=_set,
            args=(item_picker.popular_unseen(picked, user),),
        )
        found = item_picker.matching(picked, text, genres, span if span != (low, high) else None)
        searching = bool(text or genres or span != (low, high))
        st.button(
            f"Add the first {min(10, len(found))} found",
            icon=":material/playlist_add:",
            on_click=_set,
            disabled=not (searching and found),
            args=(list(dict.fromkeys([*st.session_state[chosen_key], *found[:10]]))[: item_picker.MOST],),
        )
        st.button("Clear", icon=":material/backspace:", on_click=_set, args=([],))
    if searching and not found:
        st.caption(say("No movie fits. Try fewer words, or other genres or years."))
    options = list(dict.fromkeys([*st.session_state[chosen_key], *found]))
    ids = st.multiselect(
        say("Movies to rate"),
        options,
        key=chosen_key,
        format_func=lambda i: item_picker.listed(picked, i),
        max_selections=item_picker.MOST,
        persist_state="session",
        placeholder="Choose from what the search found",
    )

    posters.cards(list(data.items_of(ids)))

if not ids:
    st.info(say("Choose at least one movie above: search, or press one of the buttons."), icon=":material/view_list:")
    st.stop()

key = f"rate:{what.id}:{number}:{hash(tuple(ids))}"
label = say(f"Rate {len(ids)} movie{'s' * (len(ids) != 1)}")
job = state.jobs().get(key)
upto = steps[: int(number)]
if not picked.builtin:
    context = rating_results.hearing(picked, context_after(data, picked.split, user, upto), ids)
    cost = for_rating(picked.user_model(), state.store(), context, data.items_of(ids))
    label += f" ({formatting.price_tag(cost)})"
if job is not None and job.active:
    job_panel.job_progress(key)
elif st.button(label, icon=":material/auto_awesome:", type="primary"):
    store, told = state.store(), picked.community
    job = state.jobs().start(
        key, "Rating", lambda j: rating_results.work(j, picked, what, upto, ids, store, told), store=store
    )
    job.wait(0.6)  # the built-in is done by then, and nothing flickers
    st.rerun()
if job is None:
    st.caption("Nothing is rated until you press the button.")
    st.stop()
if job.state in {"failed", "cancelled"}:
    st.error(literal(job.error), icon=":material/error:")
    st.stop()
if job.result is None:
    st.stop()

rows = rating_results.frame(picked, user, job.result)
learned = calibration_view.learned(picked)
corrected = calibration_view.frame(picked, user, upto, job.result, *learned) if learned else None
if corrected is not None and len(corrected):
    rows.insert(5, "calibrated", rows["item_id"].map(corrected["calibrated"]))
total = rating_results.summary(rows)
failed = int(rows["expected"].isna().sum())
if total:
    with st.grid(4, min_column_width=140):
        st.metric(say("Held-out movies"), f"{total['n']:.0f}")
        st.metric("RMSE", f"{total['rmse']:.2f}", help="Root of the mean squared error; lower is better.")
        st.metric("MAE", f"{total['mae']:.2f}", help="Mean absolute error; lower is better.")
        st.metric(
            "Pearson",
            f"{total['pearson']:.2f}" if np.isfinite(total["pearson"]) else "–",
            help="Correlation of expected and true; needs at least two different ratings.",
        )
else:
    st.caption(say("None of these movies is in this user's test part, so there is no error to sum up."))
if failed:
    st.warning(
        f"{failed} ratings are missing; the reason column says why. They are not replaced.", icon=":material/warning:"
    )
seen = int((rows["part"] == "training").sum())
if seen:
    st.caption(
        f"{seen} of them are in the training part: the simulator may have read their ratings, so they do not count."
    )

with st.grid(2, min_column_width=420, gap="medium"):
    st.dataframe(
        rating_results.shown(rows, picked.builtin),
        hide_index=True,
        alt="Simulated ratings with reasons",
        height="auto" if len(rows) <= 15 else 560,
        column_config={
            "poster": st.column_config.ImageColumn("", width=45),
            "spread": st.column_config.NumberColumn(
                "Spread", format="%.2f", width="small", help="Standard deviation of the answer."
            ),
            "how": st.column_config.TextColumn("Expected from", help="What the expected rating is."),
            "title": st.column_config.TextColumn(say("Movie"), pinned=True, width="medium"),
            "rating": st.column_config.NumberColumn("Rating", format="%.3g", width="small"),
            "expected": st.column_config.NumberColumn("Expected", format="%.2f", width="small"),
            "calibrated": st.column_config.NumberColumn(
                "Calibrated",
                format="%.2f",
                width="small",
                help=say("Corrected by what the training part says of user, movie and model; below, part by part."),
            ),
            "true": st.column_config.NumberColumn("True", format="%.3g", width="small"),
            "part": st.column_config.TextColumn("Part", width="small"),
            "off": st.column_config.NumberColumn("Off by", format="%+.2f", width="small"),
            "reason": st.column_config.TextColumn("Reason", width="large"),
        },
    )
    st.plotly_chart(
        rating_charts.expected_against_true(rows.head(40), (data.scale.lowest, data.scale.highest)),
        alt=say("Expected and true rating of each movie"),
    )
if corrected is not None and len(corrected):
    with st.container(border=True):
        st.subheader("Where a calibrated rating comes from", icon=":material/waterfall_chart:")
        movie = st.selectbox(
            say("Movie"),
            [int(i) for i in corrected.index],
            key="taken_apart",
            format_func=lambda i: item_picker.listed(picked, i),
        )
        movie = movie if movie in corrected.index else int(corrected.index[0])
        one = corrected.loc[movie]
        named = {
            say(calibration_view.PART_NAMES[p]): float(one[p])
            for p in calibration_view.PARTS
            if p in {"base", "user", "movie", "persona"} or abs(one[p]) > 1e-9
        }
        st.plotly_chart(
            rating_charts.waterfall(named, "Calibrated"),
            alt=f"Parts of the calibrated rating of {data.item(movie).title}",
        )
        st.caption(
            f"Probability of {threshold(data.scale):g} or more: {one['high']:.0%}. The parts add up exactly. "
            f"Learned from {learned[0].rows:,} forecasts of the training part; community evidence is "
            f"{'part of it' if learned[1].full else 'off (switch it on in the sidebar)'}."
        )
st.subheader("Reasons", icon=":material/format_quote:")
for row in rows.head(20).itertuples():
    given = "no rating" if np.isnan(row.expected) else f"{row.rating:g} ({row.expected:.2f})"
    truth = f", truly {row.true:g}" if np.isfinite(row.true) else ""
    st.markdown(f"**{literal(row.title)}** · {given}{truth}  \n{literal(row.reason)}")
st.download_button(
    "Download as CSV",
    safe_csv(rows.drop(columns="poster")),
    f"user-{user}-ratings.csv",
    "text/csv",
    icon=":material/download:",
)
