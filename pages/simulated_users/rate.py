"""Rate movies: choose some, have them rated by the simulated user, compare with the truth."""

import numpy as np
import streamlit as st

from lusifer.charts import rating_charts
from lusifer.errors import LusiferError
from lusifer.evaluation.comparison import threshold
from lusifer.simulator.estimate import estimate_rating
from lusifer.simulator.evolution import context_after
from lusifer.ui import formatting, page_registry, session_keys, state
from lusifer.ui.components import downloads, evolution_runner, item_picker, job_panel, posters, user_picker
from lusifer.ui.formatting import escape_markdown, with_item_noun
from lusifer.ui.pages.rate import calibration_view, rating_results

ctx = state.current_context()
data = ctx.dataset

st.title(with_item_noun("Predict ratings"), icon=":material/star_half:")
st.caption("Predict how this user would rate movies. The simulator sees only the profile and the newest ratings.")

with st.container(horizontal=True, vertical_alignment="bottom"):
    user = user_picker.pick_user()
    if user is None:
        st.stop()
    try:
        spec = ctx.evolution_spec(user)
        steps, total_steps = evolution_runner.load_steps(ctx, spec)
    except LusiferError as error:
        state.show_error(error)
        st.stop()
    if steps:
        number = st.selectbox("Profile after step", list(range(len(steps), 0, -1)), key="from_step", width=160)
    page_registry.show_page_link(
        "evolution",
        "Show this profile",
        user_picker.link_parameters(user, int(number) if steps else 1),
    )
if len(steps) < total_steps:
    st.info(
        f"{len(steps)} of {total_steps} profile steps are computed for this model. Compute the rest to predict from "
        "the whole history.",
        icon=":material/hourglass_empty:",
    )
    evolution_runner.offer_missing_steps(ctx, spec, len(steps), total_steps)
if not steps:
    st.stop()

rated_for = (data.name, ctx.split.id, user)
if session_keys.RATED_FOR.get() != rated_for:
    st.session_state[session_keys.RATED_ITEMS] = item_picker.held_out_items(ctx, user)[:20]
    session_keys.RATED_FOR.set(rated_for)


def _set(ids: list[int]) -> None:
    st.session_state[session_keys.RATED_ITEMS] = ids


with st.container(border=True):
    st.subheader(with_item_noun("Choose movies"), icon=":material/view_list:")
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
            with_item_noun("The user's test movies"),
            icon=":material/visibility_off:",
            on_click=_set,
            args=(item_picker.held_out_items(ctx, user)[: item_picker.MAX_ITEMS],),
        )
        st.button(
            "Popular, not yet rated",
            icon=":material/trending_up:",
            on_click=_set,
            args=(item_picker.popular_unrated_items(ctx, user),),
        )
        matches = item_picker.search_items(ctx, text, genres, span if span != (low, high) else None)
        searching = bool(text or genres or span != (low, high))
        st.button(
            f"Add the first {min(10, len(matches))} results",
            icon=":material/playlist_add:",
            on_click=_set,
            disabled=not (searching and matches),
            args=(
                list(dict.fromkeys([*st.session_state[session_keys.RATED_ITEMS], *matches[:10]]))[
                    : item_picker.MAX_ITEMS
                ],
            ),
        )
        st.button("Clear", icon=":material/backspace:", on_click=_set, args=([],))
    if searching and not matches:
        st.caption(with_item_noun("No movie matches. Try fewer words, or other genres or years."))
    options = list(dict.fromkeys([*st.session_state[session_keys.RATED_ITEMS], *matches]))
    ids = st.multiselect(
        with_item_noun("Movies to rate"),
        options,
        key=session_keys.RATED_ITEMS,
        format_func=lambda i: item_picker.item_label(ctx, i),
        max_selections=item_picker.MAX_ITEMS,
        persist_state="session",
        placeholder="Choose from the search results",
    )

    posters.show_posters(list(data.items_of(ids)))

if not ids:
    st.info(
        with_item_noun("Choose at least one movie above: search, or press one of the buttons."),
        icon=":material/view_list:",
    )
    st.stop()

key = f"rate:{spec.id}:{number}:{hash(tuple(ids))}"
label = with_item_noun(f"Rate {len(ids)} movie{'s' * (len(ids) != 1)}")
job = state.get_jobs().get(key)
upto = steps[: int(number)]
if not ctx.builtin:
    context = rating_results.add_evidence(ctx, context_after(data, ctx.split, user, upto), ids)
    cost = estimate_rating(ctx.user_model(), state.open_store(), context, data.items_of(ids))
    label += f" ({formatting.format_cost(cost)})"
if job is not None and job.active:
    job_panel.show_progress(key)
elif st.button(label, icon=":material/auto_awesome:", type="primary"):
    store, evidence = state.open_store(), ctx.community
    job = state.get_jobs().start(
        key, "Rating", lambda j: rating_results.rate_in_batches(j, ctx, spec, upto, ids, store, evidence), store=store
    )
    job.wait(0.6)  # the built-in is done by then, and nothing flickers
    st.rerun()
if job is None:
    st.caption("Nothing is predicted until you press the button.")
    st.stop()
if job.state in {"failed", "cancelled"}:
    st.error(escape_markdown(job.error), icon=":material/error:")
    st.stop()
if job.result is None:
    st.stop()

rows = rating_results.rating_table(ctx, user, job.result)
learned = calibration_view.learn_calibration(ctx)
corrected = calibration_view.calibrated_table(ctx, user, upto, job.result, *learned) if learned else None
if corrected is not None and len(corrected):
    rows.insert(5, "calibrated", rows["item_id"].map(corrected["calibrated"]))
total = rating_results.error_summary(rows)
failed = int(rows["expected"].isna().sum())
if total:
    with st.grid(4, min_column_width=140):
        st.metric(with_item_noun("Test movies"), f"{total['n']:.0f}")
        st.metric("RMSE", f"{total['rmse']:.2f}", help="Root mean squared error; lower is better.")
        st.metric("MAE", f"{total['mae']:.2f}", help="Mean absolute error; lower is better.")
        st.metric(
            "Pearson",
            f"{total['pearson']:.2f}" if np.isfinite(total["pearson"]) else "–",
            help="Correlation of expected and actual ratings; needs at least two different ratings.",
        )
else:
    st.caption(with_item_noun("None of these movies is in this user's test set, so there is no error to report."))
if failed:
    st.warning(
        f"{failed} ratings are missing; the Reason column says why. They are not imputed.", icon=":material/warning:"
    )
seen = int((rows["part"] == "training").sum())
if seen:
    st.caption(
        f"{seen} of them are in the training set: the simulator may have seen their ratings, so they do not count."
    )

with st.grid(2, min_column_width=420, gap="medium"):
    st.dataframe(
        rating_results.informative_columns(rows, ctx.builtin),
        hide_index=True,
        alt="Simulated ratings with reasons",
        height="auto" if len(rows) <= 15 else 560,
        column_config={
            "poster": st.column_config.ImageColumn("", width=45),
            "spread": st.column_config.NumberColumn(
                "Std", format="%.2f", width="small", help="Standard deviation of the predicted rating."
            ),
            "how": st.column_config.TextColumn("Expected from", help="How the expected rating was computed."),
            "title": st.column_config.TextColumn(with_item_noun("Movie"), pinned=True, width="medium"),
            "rating": st.column_config.NumberColumn("Rating", format="%.3g", width="small"),
            "expected": st.column_config.NumberColumn("Expected", format="%.2f", width="small"),
            "calibrated": st.column_config.NumberColumn(
                "Calibrated",
                format="%.2f",
                width="small",
                help=with_item_noun(
                    "Corrected by user, movie and model terms learned on the training set; see the breakdown below."
                ),
            ),
            "true": st.column_config.NumberColumn("True", format="%.3g", width="small"),
            "part": st.column_config.TextColumn("Part", width="small"),
            "off": st.column_config.NumberColumn("Error", format="%+.2f", width="small"),
            "reason": st.column_config.TextColumn("Reason", width="large"),
        },
    )
    st.plotly_chart(
        rating_charts.expected_vs_true(rows.head(40), (data.scale.lowest, data.scale.highest)),
        alt=with_item_noun("Expected and actual rating of each movie"),
    )
if corrected is not None and len(corrected):
    with st.container(border=True):
        st.subheader("Breakdown of a calibrated rating", icon=":material/waterfall_chart:")
        movie = st.selectbox(
            with_item_noun("Movie"),
            [int(i) for i in corrected.index],
            key="taken_apart",
            format_func=lambda i: item_picker.item_label(ctx, i),
        )
        movie = movie if movie in corrected.index else int(corrected.index[0])
        components = corrected.loc[movie]
        named = {
            with_item_noun(calibration_view.PART_NAMES[p]): float(components[p])
            for p in calibration_view.PARTS
            if p in {"base", "user", "movie", "persona"} or abs(components[p]) > 1e-9
        }
        st.plotly_chart(
            rating_charts.waterfall(named, "Calibrated"),
            alt=f"Terms of the calibrated rating of {data.item(movie).title}",
        )
        st.caption(
            f"Probability of {threshold(data.scale):g} or more: {components['high']:.0%}. The terms add up exactly. "
            f"Learned from {learned[0].rows:,} forecasts of the training set; community evidence is "
            f"{'included' if learned[1].has_factorization else 'off (switch it on in the sidebar)'}."
        )
st.subheader("Reasons", icon=":material/format_quote:")
for row in rows.head(20).itertuples():
    rating_text = "no rating" if np.isnan(row.expected) else f"{row.rating:g} ({row.expected:.2f})"
    truth = f", actual {row.true:g}" if np.isfinite(row.true) else ""
    st.markdown(f"**{escape_markdown(row.title)}** · {rating_text}{truth}  \n{escape_markdown(row.reason)}")
downloads.show_csv_button("Download as CSV", rows.drop(columns="poster"), f"user-{user}-ratings.csv")
