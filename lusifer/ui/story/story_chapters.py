"""The chapters of a story as HTML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lusifer.ui.story.story_data import Prediction, Story
from lusifer.ui.story.story_growth import describe_growth, draw_growth
from lusifer.ui.story.story_marks import Track, chips, foreign, number, plural, row, text, verdict_tag
from lusifer.ui.story.story_what_if import WhatIf
from lusifer.ui.story.story_worth import KINDS, PredictorError, Worth

MAX_ROWS, MAX_CHANGES, MAX_STATEMENTS, FIRST_CHANGES = 40, 20, 40, 3
"""Rows of a chart, changes of a step and statements that are shown at most, and changes that stand first."""
NEAR = 0.005
"""Differences in RMSE below this are none in words."""


@dataclass(frozen=True)
class Chapter:
    """A chapter: its name in the bar, its heading and its body (HTML), and the step that it tells, if it tells one."""

    name: str
    heading: str
    body: str
    step: int | None = None


def write_chapters(story: Story, max_steps: int) -> list[Chapter]:
    """All chapters in order, with so many steps at most: the first, the last, and those with the most surprises."""
    shown = pick_steps(story.evolution["steps"], max_steps)
    chapters = [Chapter("Who", "", _who(story)), Chapter("Growth", "How the profile grew", _growth(story))]
    last = 0
    for step in shown:
        chapters.append(_step(story, step, skipped=step["number"] - last - 1))
        last = step["number"]
    chapters.append(Chapter("Profile", "The profile in the end", _profile(story)))
    if story.predictions:
        chapters.append(Chapter("Predictions", "Predictions against the truth", _predictions(story)))
    if story.worth is not None:
        chapters.append(Chapter("What it is worth", "What it is worth", _worth(story.worth)))
    if story.what_if is not None:
        chapters.append(Chapter("What if", "What if", _what_if(story, story.what_if)))
    return [*chapters, Chapter("Provenance", "Where this comes from", _provenance(story))]


def pick_steps(steps: Sequence[Mapping[str, Any]], limit: int) -> list[Mapping[str, Any]]:
    """The steps that are told, in order, where there are more than ``limit``."""
    if len(steps) <= limit:
        return list(steps)
    ends = {0, len(steps) - 1}
    by_surprise = sorted(
        set(range(len(steps))) - ends, key=lambda i: (-sum(m["surprise"] for m in steps[i]["items"]), i)
    )
    return [steps[i] for i in sorted([*ends, *by_surprise[: max(limit - 2, 0)]])]


def _nouns(story: Story) -> tuple[str, str]:
    nouns = story.evolution["nouns"]
    return text(nouns["one"], 40), text(nouns["many"], 40)


def _track(story: Story) -> Track:
    scale = story.evolution["scale"]
    return Track(scale["lowest"], scale["highest"], scale["ticks"])


def describe_predictions(story: Story) -> str:
    """One sentence on the predictions beside the user and item bias; empty where there is none."""
    if story.errors is None:
        return ""
    model, bias = story.errors
    given = sum(p.expected is not None for p in story.predictions)
    if abs(model - bias) < NEAR:
        words = "as far off as"
    else:
        words = "closer than" if model < bias else "farther off than"
    return (
        f"On {plural(given, 'rating')} that it never saw the model is {words} the user and item bias: "
        f"RMSE {model:.2f} against {bias:.2f}."
    )


def _who(story: Story) -> str:
    person, last = story.person, story.evolution["steps"][-1]
    _, many = _nouns(story)
    statements = sum(len(section["lines"]) for section in last["sections"])
    tiles = [
        (f"{person.count}", f"ratings read{f', {text(person.days)}' if person.days else ''}"),
        (f"{person.mean:.2f}", f"mean of these ratings; all users: {person.usual:.2f}"),
        (f"{statements}", f"statements in the profile after {plural(len(story.evolution['steps']), 'step')}"),
    ]
    if story.checkable:
        share = f"{story.supported} of {story.checkable}"
        tiles.append((share, "statements, changes and reasons that can be checked are supported by the ratings"))
    if story.errors is not None:
        model, bias = story.errors
        kind = "" if abs(model - bias) < NEAR else "warn" if model > bias else "good"
        tiles.append(
            (f'<span class="{kind}">{model:.2f}</span>', f"RMSE on ratings never seen; user and item bias: {bias:.2f}")
        )
    parts = [
        f'<p class="quiet">How a model sees one user of a recommender of {many}</p>',
        f'<h1 tabindex="-1">{foreign(person.description[:1].upper() + person.description[1:], 200)}</h1>',
        f'<p class="sub">{foreign(story.model[:1].upper() + story.model[1:], 200)} read {person.count} of their '
        f"ratings, batch by batch. Before each batch it forecast the ratings; then it saw them, wrote down who this "
        f"person is, and said why. This is what it wrote, and how it holds up.</p>",
        '<div class="tiles">',
        *(f'<div class="panel"><b>{figure}</b>{words}</div>' for figure, words in tiles),
        "</div>",
    ]
    tastes = [
        (f"{words} their own mean", names)
        for words, names in (("Rated above", person.likes), ("Rated below", person.dislikes))
        if names
    ]
    if tastes:
        lists = "".join(
            f"<div><span class='quiet'>{words}</span>{chips((n, None) for n in names)}</div>" for words, names in tastes
        )
        parts.append(f'<div class="tastes">{lists}</div>')
    parts.append('<p class="quiet keys"><kbd>←</kbd> <kbd>→</kbd> go through the chapters</p>')
    return "".join(parts)


def _growth(story: Story) -> str:
    steps = story.evolution["steps"]
    left_out = len(steps) - MAX_ROWS
    note = f'<p class="quiet below">{plural(left_out, "step")} more are left out.</p>' if left_out > 0 else ""
    return f'<p class="lead">{describe_growth(steps)}</p>{draw_growth(pick_steps(steps, MAX_ROWS))}{note}'


def _step(story: Story, step: Mapping[str, Any], skipped: int) -> Chapter:
    one, many = _nouns(story)
    count = len(step["items"])
    when = f", {text(step['days'])}" if step["days"] else ""
    left_out = f" ({plural(skipped, 'step')} before it left out here)" if skipped else ""
    refs = _refs(story)
    explanation = "".join(piece for piece, _ in step["explanation"]["pieces"])
    body = [f'<p class="lead">{foreign(explanation)}</p>' if explanation else ""]
    body.append(f'<div class="columns"><div><h3>Forecast and truth</h3>{_forecasts(story, step)}</div>')
    body.append(f"<div>{_changes(step, refs)}{_new_statements(story, step)}</div></div>")
    heading = f"Step {step['number']} of {story.total_steps}: {count} {one if count == 1 else many}{when}{left_out}"
    return Chapter(f"Step {step['number']}", heading, "".join(body), step["number"])


def _refs(story: Story) -> dict[str, tuple[str, float]]:
    return {m["ref"]: (m["title"], m["rating"]) for step in story.evolution["steps"] for m in step["items"]}


def _cited(cited: Sequence[Any], refs: Mapping[str, tuple[str, float]]) -> Iterator[tuple[str, float | None]]:
    for ref in cited:
        if not isinstance(ref, str):
            yield ref["title"], ref["rating"]
        elif ref in refs:
            yield refs[ref]


def _forecasts(story: Story, step: Mapping[str, Any]) -> str:
    track, items = _track(story), step["items"]
    largest = sorted(items, key=lambda m: -abs((m["forecast"] or m["rating"]) - m["rating"]))
    rows = []
    for movie in largest[:MAX_ROWS]:
        forecast, rating = movie["forecast"], movie["rating"]
        marks = [("dot", rating)] if forecast is None else [("dot", rating), ("ring", forecast)]
        drawn = track.draw(marks, None if forecast is None else (forecast, rating))
        figure = (
            f'<span class="vh">forecast </span>{number(forecast)} → <span class="vh">rating </span><b>{rating:g}</b>'
        )
        year = f" ({movie['year']})" if movie["year"] else ""
        rows.append(row(foreign(movie["title"], 120) + year, drawn, figure, "surprise" if movie["surprise"] else ""))
    facts = []
    if step["rmse"] is not None:
        worse = step["rmse"] > step["baseline"]
        facts.append(
            f'Forecast error (RMSE) <b class="{"warn" if worse else "good"}">{step["rmse"]:.2f}</b>; the running mean '
            f"of their ratings: {step['baseline']:.2f}."
        )
    if len(items) > MAX_ROWS:
        facts.append(f"The {MAX_ROWS} largest errors of {len(items)} are shown.")
    legend = (
        '<p class="legend"><span><i class="ring"></i>forecast</span><span><i class="dot"></i>rating</span>'
        f'<span class="warn">orange: error above {story.evolution["surprise"]:g}</span></p>'
    )
    return (
        f'{legend}<div class="panel">{track.axis()}<ul>{"".join(rows)}</ul></div><p class="quiet">{" ".join(facts)}</p>'
    )


def _changes(step: Mapping[str, Any], refs: Mapping[str, tuple[str, float]]) -> str:
    found = step["changes"][:MAX_CHANGES]
    if not found:
        return "<h3>What changed</h3><p>Nothing: the batch was as the profile says.</p>"
    parts = [
        f'<div class="change">{_direction(change["direction"])} <b>{foreign(change["aspect"], 200)}</b> '
        f"{verdict_tag((change['verdict'] or {}).get('verdict'))}{chips(_cited(change['cited'], refs))}</div>"
        for change in found
    ]
    first, rest = parts[:FIRST_CHANGES], parts[FIRST_CHANGES:]
    more = f"<details><summary>{plural(len(rest), 'more change')}</summary>{''.join(rest)}</details>" if rest else ""
    return f'<h3>What changed, and because of what</h3><div class="panel">{"".join(first)}{more}</div>'


_ARROWS = {"gained": "+", "strengthened": "▲", "weakened": "▼", "dropped": "✕"}


def _direction(direction: str) -> str:
    kind = "good" if direction in {"gained", "strengthened"} else "warn"
    return f'<span class="{kind}">{_ARROWS.get(direction, "")} {text(direction, 40)}</span>'


def _new_statements(story: Story, step: Mapping[str, Any]) -> str:
    """Statements that this step wrote or rewrote, with what they replace, and those that it removed."""
    statements = story.evolution["statements"]
    lines = [line for section in step["sections"] for line in section["lines"] if line[1] != "kept"]
    parts = []
    for index, _, old in lines[:MAX_STATEMENTS]:
        before = f"<small>before: <s>{foreign(old)}</s></small>" if old else ""
        parts.append(f'<li class="new">{foreign(statements[index]["text"])}{before}</li>')
    parts += [f'<li class="bad"><s>{foreign(old)}</s></li>' for old in step["removed"][:MAX_STATEMENTS]]
    if not parts:
        return ""
    words = f"{plural(len(parts), 'statement')} of the profile written anew, rewritten or removed"
    return f'<details class="below"><summary>{words}</summary><ul class="statements">{"".join(parts)}</ul></details>'


def _profile(story: Story) -> str:
    last, statements = story.evolution["steps"][-1], story.evolution["statements"]
    blocks, shown, total = [], 0, sum(len(section["lines"]) for section in last["sections"])
    for section in last["sections"]:
        items = []
        for index, _, _ in section["lines"][: max(MAX_STATEMENTS - shown, 0)]:
            statement = statements[index]
            verdict = (statement["verdict"] or {}).get("verdict")
            kind = {"unsupported": "bad", "supported": "new"}.get(verdict or "", "")
            since = f"<small>since step {statement['since']} {verdict_tag(verdict)}</small>"
            items.append(f'<li class="{kind}">{foreign(statement["text"])}{since}</li>')
        shown += len(items)
        if items:
            blocks.append(f'<div><h4>{text(section["heading"])}</h4><ul class="statements">{"".join(items)}</ul></div>')
    lead = ""
    if story.checkable:
        lead = (
            f'<p class="lead">{story.supported} of {story.checkable} statements, changes and reasons that the ratings '
            "can show are supported by them.</p>"
        )
    more = f'<p class="quiet">{total - shown} more statements are left out.</p>' if total > shown else ""
    return f'{lead}<div class="two">{"".join(blocks)}</div>{more}'


def _predictions(story: Story) -> str:
    track = _track(story)
    parts = []
    for prediction in story.predictions[:MAX_ROWS]:
        parts.append(_prediction(track, prediction, story.evolution["surprise"]))
    notes = [f"The user and item bias knows the means of each user and of each {_nouns(story)[0]}, and no taste."]
    missing = sum(p.expected is None for p in story.predictions)
    if missing:
        notes.append(f"{plural(missing, 'rating')} of {len(story.predictions)} were not predicted.")
    if len(story.predictions) > MAX_ROWS:
        notes.append(f"The first {MAX_ROWS} of {len(story.predictions)} are shown; the figures are of all.")
    if story.worth is not None:
        notes.append(
            f"One person says little of a model; {plural(story.worth.users, 'user')} follow in the next chapter."
        )
    lead = describe_predictions(story) or "None of the test ratings has been predicted yet."
    legend = (
        '<p class="legend"><span><i class="ring"></i>predicted</span><span><i class="dot"></i>rating</span>'
        '<span><i class="stroke"></i>user and item bias</span></p>'
    )
    return (
        f'<p class="lead">{lead}</p>{legend}<div class="panel">{track.axis()}<ul>{"".join(parts)}</ul></div>'
        f'<p class="quiet below">{" ".join(notes)}</p>'
    )


def _prediction(track: Track, prediction: Prediction, surprise: float) -> str:
    expected, rating = prediction.expected, prediction.rating
    marks = [("stroke", prediction.bias), ("dot", rating)]
    if expected is not None:
        marks.append(("ring", expected))
    drawn = track.draw(marks, None if expected is None else (expected, rating))
    figure = f'<span class="vh">predicted </span>{number(expected)} → <span class="vh">rating </span><b>{rating:g}</b>'
    year = f" ({prediction.year})" if prediction.year else ""
    reason = f"<small>{foreign(prediction.reason, 300)}</small>" if prediction.reason else ""
    is_surprise = expected is not None and abs(expected - rating) > surprise
    return row(f"{foreign(prediction.title, 120)}{year}{reason}", drawn, figure, "surprise" if is_surprise else "")


def _worth(worth: Worth) -> str:
    bounds = [v for e in worth.errors for v in (e.rmse, e.low, e.high) if v == v]
    low, high = min(bounds), max(bounds)
    pad = (high - low) * 0.05 or 0.05
    track = Track(low - pad, high + pad, [])
    groups = []
    for kind in [*KINDS, "Imported predictions"]:
        rows = "".join(_error(track, e) for e in worth.errors if e.kind == kind)
        if rows:
            groups.append(f"<h4>{kind}</h4><ul>{rows}</ul>")
    lead = f'<p class="lead">{text(worth.sentence)}</p>' if worth.sentence else ""
    return (
        f'{lead}<div class="panel interval">{"".join(groups)}</div><p class="quiet below">RMSE (lower is better) with '
        f"95 % intervals over users, {worth.rows:,} test ratings of {plural(worth.users, 'user')}, the same for every "
        f"predictor. Differences are paired. Comparison {text(worth.run)} of {text(worth.day)}, seed {worth.seed}.</p>"
    )


def _error(track: Track, error: PredictorError) -> str:
    has_interval = error.low == error.low and error.high == error.high
    drawn = track.draw([("dot", error.rmse)], (error.low, error.high) if has_interval else None)
    interval = f" <small>{error.low:.3f} to {error.high:.3f}</small>" if has_interval else ""
    kind = "" if error.kind == KINDS[2] else "other"
    return row(foreign(error.title, 200), drawn, f"<b>{error.rmse:.3f}</b>{interval}", kind)


def _what_if(story: Story, what_if: WhatIf) -> str:
    effect, track = what_if.effect, _track(story)
    changed = [(title, old, new) for title, old, new in what_if.altered if new is not None]
    removed = [(title, old) for title, old, new in what_if.altered if new is None]
    parts = [f"“{foreign(t, 120)}” had been rated {new:g} instead of {old:g}" for t, old, new in changed[:3]]
    if len(changed) > 3:
        parts.append(f"{len(changed) - 3} more had been rated otherwise")
    if removed:
        parts.append(f"{plural(len(removed), 'rating')} had never been given")
    moved = effect.cited_moved + effect.others_moved
    outcome = (
        f"{moved} of {plural(effect.cited + effect.others, 'statement')} of the profile and {effect.moved_ratings} of "
        f"{plural(len(effect.ratings), 'prediction')} would change."
    )
    rows = []
    for item, before, after in effect.ratings:
        if before is None or after is None or abs(before - after) < 0.01:
            continue
        figure = f'{before:.1f} → <span class="vh">then </span><b>{after:.1f}</b>'
        drawn = track.draw([("dot", after), ("ring", before)], (before, after))
        rows.append((abs(after - before), row(foreign(what_if.titles.get(item, ""), 120), drawn, figure)))
    rows.sort(key=lambda r: -r[0])
    chart = "".join(r for _, r in rows[:MAX_ROWS])
    legend = (
        '<p class="legend"><span><i class="ring"></i>predicted as it was</span>'
        '<span><i class="dot"></i>predicted then</span></p>'
    )
    left = f'{legend}<div class="panel">{track.axis()}<ul>{chart}</ul></div>' if chart else ""
    lines = [
        f'<li class="{"bad" if line.status == "removed" else "new"}">'
        f"{f'<s>{foreign(line.old)}</s> ' if line.old else ''}{foreign(line.new)}</li>"
        for line in effect.lines
        if line.status != "kept"
    ]
    right = f'<h3>What the profile would say</h3><ul class="statements">{"".join(lines[:MAX_STATEMENTS])}</ul>'
    touched = chips((f"{title} (left out)", old) for title, old in removed)
    return (
        f'<p class="lead">If {" and ".join(parts)}: {outcome}</p>{touched}'
        f'<div class="columns below"><div>{left}</div><div>{right if lines else ""}</div></div>'
    )


def _provenance(story: Story) -> str:
    rows = "".join(f"<dt>{text(name)}</dt><dd>{foreign(value, 2000)}</dd>" for name, value in story.provenance)
    return f"<dl>{rows}</dl>"
