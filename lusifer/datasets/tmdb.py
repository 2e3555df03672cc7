"""Movie details from The Movie Database, by ``tmdbv3api`` with ``TMDB_API_KEY``.

A movie is found by its TMDB id where the data set has one, else by title and year. What was not found
is remembered, so that a second run asks only what is new; each answer is stored as it comes.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from lusifer.datasets.dataset import Dataset, Details, Item
from lusifer.datasets.item_details import CAST, clean_text, from_json, to_json
from lusifer.datasets.title_match import MAX_YEARS, DetailTitles, judge, one_movie, titles_of
from lusifer.errors import CancelledError, DatasetError
from lusifer.progress import Progress, ignore_progress
from lusifer.store import Store

API = "https://api.themoviedb.org/3"
ATTEMPTS = 6
FIRST_WAIT = 0.5
TIMEOUT_SECONDS = 20.0
MAX_REQUESTS_PER_SECOND = 20
"""Requests a second at most; TMDB's own limit is about 40."""
MIN_CONFIDENCE = 0.75
"""Least likeness of title and year for a search result to be taken: that of a title, less for a year beside it."""
WITH_ALTERNATIVES = 3
"""Search results, from the first, whose alternative titles are asked for where their own do not fit."""
_lock = threading.Lock()


def configured() -> bool:
    """Whether there is a key."""
    return bool(os.environ.get("TMDB_API_KEY"))


@dataclass
class EnrichmentCounts:
    """What a run did: movies found, not found, known before; of those not found, what was near and why not taken."""

    found: int = 0
    not_found: int = 0
    known: int = 0
    left_out: list[str] = field(default_factory=list)


def enrich(
    dataset: Dataset,
    store: Store,
    *,
    items: Iterable[int] | None = None,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> EnrichmentCounts:
    """Look up every movie (or some) that the database knows nothing of yet.

    A movie of TMDB is taken if its titles and year fit (`title_match.judge`), and for one movie only.

    Raises:
        DatasetError: no key, a wrong one, or TMDB can't be reached; what was found before is kept.
        CancelledError: ``cancelled`` said so.
    """
    item_ids = [int(i) for i in (dataset.items.index if items is None else items)]
    stored = {r["item_id"]: r for r in store.list_details(dataset.hash)}
    missing = [i for i in item_ids if i not in stored]
    counts = EnrichmentCounts(known=len(item_ids) - len(missing))
    if not missing:
        return counts
    client = Client(cancelled)
    ids: Any = dataset.items["tmdb_id"] if "tmdb_id" in dataset.items.columns else {}
    owners = {from_json(r["data"]).tmdb_id: (dataset.item(i), r["confidence"]) for i, r in stored.items() if r["data"]}
    for index, item_id in enumerate(missing):
        item = dataset.item(item_id)
        on_progress(index, len(missing), item.title)
        if cancelled():
            raise CancelledError("Stopped.", "Details found so far are saved.")
        tmdb_id = ids.get(item_id)
        found = client.find(item, int(tmdb_id) if tmdb_id and tmdb_id == tmdb_id else None)
        owner, confidence = owners.get(found.details.tmdb_id, (item, 0.0)) if found.details else (item, 0.0)
        if found.details is not None and not one_movie(owner, item):
            loser = item if confidence >= found.likeness else owner
            counts.left_out.append(f"{loser.title}: its id {found.details.tmdb_id} is that of another movie too")
            if loser is item:
                found = replace(found, details=None)
            else:
                store.save_details(dataset.hash, [(owner.id, None, "tmdb", confidence)])
                counts.found, counts.not_found = counts.found - (owner.id in missing), counts.not_found + 1
        elif found.details is None and found.near:
            counts.left_out.append(f"{item.title}: {found.near}")
        if found.details is None:
            store.save_details(dataset.hash, [(item_id, None, "tmdb", found.likeness)])
            counts.not_found += 1
        else:
            owners[found.details.tmdb_id] = item, found.likeness
            store.save_details(dataset.hash, [(item_id, to_json(found.details), "tmdb", found.likeness)])
            counts.found += 1
    on_progress(len(missing), len(missing), "")
    return counts


@dataclass(frozen=True)
class Found:
    """What TMDB has of a movie: its details, how like the titles are (0–1), and what was near instead of any."""

    details: Details | None
    likeness: float
    near: str = ""


class Client:
    """TMDB by ``tmdbv3api``, with patience, a limit of its own, and no key in any text.

    Raises:
        DatasetError: there is no key.
    """

    def __init__(self, cancelled: Callable[[], bool] = lambda: False) -> None:
        if not configured():
            raise DatasetError(
                "There is no key for TMDB.",
                "Get one at themoviedb.org (free), set TMDB_API_KEY and restart; everything works "
                "without, with MovieLens' own titles and genres.",
            )
        import requests
        import tmdbv3api

        # The library logs nothing, but what it stands on would write addresses, and so the key.
        logging.getLogger("urllib3.connectionpool").setLevel(logging.INFO)
        session = _session(requests, cancelled)
        with _lock:
            tmdbv3api.TMDb(obj_cached=False, session=session)
            self._movie = tmdbv3api.Movie(obj_cached=False)
            self._search_api = tmdbv3api.Search(obj_cached=False)
        self._missing = tmdbv3api.exceptions.TMDbException

    def details(self, tmdb_id: int) -> Details | None:
        """One movie, or ``None`` if TMDB has no such id."""
        return _read_details(self._movie_data(tmdb_id))

    def find(self, item: Item, tmdb_id: int | None = None) -> Found:
        """A movie's details: by the id that the data set links it to, else by a search.

        A link is believed where the title or the year fits: titles and dates at TMDB change.
        """
        linked = self._movie_data(tmdb_id) if tmdb_id is not None else None
        details = _read_details(linked)
        if linked and details is not None:
            names = _titles_of_result(linked, (linked.get("alternative_titles") or {}).get("titles"))
            verdict = judge(item, names)
            dated = bool(item.year and names.year and abs(item.year - names.year) <= MAX_YEARS)
            if not verdict.problem or dated or not judge(replace(item, year=None), names).problem:
                return Found(details, 1.0)
        match, likeness, near = self._search(item)
        return Found(self.details(match) if match is not None else None, likeness, near)

    def search(self, item: Item) -> tuple[int | None, float]:
        """The id of the best match, ``None`` where no title and year fit, and how like it is (0–1)."""
        return self._search(item)[:2]

    def _search(self, item: Item) -> tuple[int | None, float, str]:
        best: tuple[int | None, float] = (None, 0.0)
        refused: dict[int, tuple[float, str]] = {}
        for title in titles_of(item):
            for year in [item.year, None] if item.year else [None]:
                answer = self._ask(lambda t=title, y=year: self._search_api.movies(t, year=y))  # type: ignore[misc]
                results = [r for r in (answer or {}).get("results") or () if r.get("id")]
                for rank, result in enumerate(results):
                    movie_id = int(result["id"])
                    score, problem = self._score(item, result, alternatives=rank < WITH_ALTERNATIVES)
                    if problem:
                        refused[movie_id] = score, problem
                    elif score > best[1]:
                        best = movie_id, score
                if best[1] >= 0.97:
                    return *best, ""
        if best[1] >= MIN_CONFIDENCE:
            return *best, ""
        likeness, near = max(refused.values(), default=(0.0, ""))
        return None, max(best[1], likeness), near

    def _score(self, item: Item, result: Any, *, alternatives: bool) -> tuple[float, str]:
        """How like a search result is to a movie, less for another or an unknown year; and why it is not the movie."""
        names = _titles_of_result(result)
        verdict = judge(item, names)
        if verdict.problem and alternatives and not judge(item, replace(names, titles=())).problem:
            answer = self._ask(lambda: self._movie.alternative_titles(int(result["id"])))
            names = _titles_of_result(result, (answer or {}).get("titles"))
            verdict = judge(item, names)
        if item.year and names.year is None:
            return verdict.likeness - 0.15, verdict.problem
        return verdict.likeness - 0.05 * (item.year != names.year), verdict.problem

    def _movie_data(self, tmdb_id: int) -> Any:
        more = "credits,keywords,alternative_titles"
        return self._ask(lambda: self._movie.details(tmdb_id, append_to_response=more))

    def _ask(self, call: Callable[[], Any]) -> Any:
        """The library's object, which reads like a dict; ``None`` where TMDB has nothing."""
        try:
            return call()
        except self._missing:
            return None


def _read_details(data: Any) -> Details | None:
    if not data or not data.get("id"):
        return None
    credits = data.get("credits") or {}
    words = data.get("keywords") or {}
    return Details(
        tmdb_id=int(data["id"]),
        overview=clean_text(data.get("overview")),
        tagline=clean_text(data.get("tagline")),
        keywords=_names(words.get("keywords")),
        directors=_names(c for c in credits.get("crew") or () if c.get("job") == "Director"),
        cast=_names(credits.get("cast"))[:CAST],
        poster=clean_text(data.get("poster_path")),
    )


def _titles_of_result(result: Any, alternatives: Any = ()) -> DetailTitles:
    """What TMDB says of a movie's titles and year."""
    titles = [clean_text(result.get(key)) for key in ("title", "original_title")]
    titles += [clean_text(a.get("title")) for a in alternatives or ()]
    year = str(result.get("release_date") or "")[:4]
    language = clean_text(result.get("original_language"))
    return DetailTitles(tuple(filter(None, titles)), int(year) if year.isdigit() else None, language, translated=True)


def _session(requests: Any, cancelled: Callable[[], bool]) -> Any:
    base = (os.environ.get("LUSIFER_TMDB_URL") or API).rstrip("/")

    class Patient(requests.Session):  # type: ignore[misc]
        """Keeps below a rate, waits when asked to, and takes keys out of what it says."""

        last = 0.0

        def request(self, method: str, url: str, **kwargs: Any) -> Any:
            url, headers = url.replace(API, base, 1), {}
            key = os.environ.get("TMDB_API_KEY", "")
            if key.count(".") == 2:  # a "read access token": it belongs into a header
                url = url.replace(f"api_key={key}&", "")
                headers["Authorization"] = f"Bearer {key}"
            for attempt in range(1, ATTEMPTS + 1):
                self._wait(max(self.last + 1 / MAX_REQUESTS_PER_SECOND - time.monotonic(), 0))
                type(self).last = time.monotonic()
                problem, wait = "", FIRST_WAIT * 2**attempt
                try:
                    answer = super().request(method, url, timeout=TIMEOUT_SECONDS, headers=headers, **kwargs)
                except requests.RequestException as error:
                    problem = f"TMDB can't be reached ({type(error).__name__})."
                else:
                    if answer.status_code in {401, 403}:
                        raise DatasetError("TMDB did not accept the key.", "Check TMDB_API_KEY.") from None
                    if answer.status_code == 429 or answer.status_code >= 500:
                        problem = f"TMDB answered {answer.status_code}."
                        wait = max(wait, _seconds(answer.headers.get("Retry-After")))
                    else:
                        try:
                            answer.json()
                            return answer
                        except ValueError:
                            problem = "TMDB returned an unreadable answer."
                if attempt == ATTEMPTS or wait > 120:
                    raise DatasetError(problem, "Try again later; details found so far are saved.") from None
                self._wait(wait)
            raise AssertionError("unreachable")

        @staticmethod
        def _wait(seconds: float) -> None:
            until = time.monotonic() + seconds
            while (remaining := until - time.monotonic()) > 0:
                if cancelled():
                    raise CancelledError("Stopped.", "Details found so far are saved.")
                time.sleep(min(remaining, 0.2))

    return Patient()


def _seconds(text: str | None) -> float:
    try:
        return float(text or 0)
    except ValueError:
        return 5.0


def _names(entries: Any) -> tuple[str, ...]:
    return tuple(filter(None, (clean_text(e.get("name")) for e in entries or ())))
