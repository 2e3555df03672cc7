"""Movie details from The Movie Database, by ``tmdbv3api`` with ``TMDB_API_KEY``.

A movie is found by its TMDB id where the data set has one, else by title and year. What was not found
is remembered, so that a second run asks only what is new; each answer is stored as it comes.
"""

from __future__ import annotations

import difflib
import logging
import os
import re
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from lusifer.datasets.dataset import Dataset, Details, Item
from lusifer.datasets.item_details import CAST, clean_text, normalized_title, to_json
from lusifer.errors import CancelledError, DatasetError
from lusifer.progress import Progress, ignore_progress
from lusifer.store import Store

API = "https://api.themoviedb.org/3"
ATTEMPTS = 6
FIRST_WAIT = 0.5
TIMEOUT_SECONDS = 20.0
MAX_REQUESTS_PER_SECOND = 20
"""Requests a second at most; TMDB's own limit is about 40."""
MIN_CONFIDENCE = 0.8
"""Least likeness of title and year for a search result to be taken."""
_lock = threading.Lock()


def configured() -> bool:
    """Whether there is a key."""
    return bool(os.environ.get("TMDB_API_KEY"))


@dataclass
class EnrichmentCounts:
    """What a run did: movies found, not found, known before."""

    found: int = 0
    not_found: int = 0
    known: int = 0


def enrich(
    dataset: Dataset,
    store: Store,
    *,
    items: Iterable[int] | None = None,
    on_progress: Progress = ignore_progress,
    cancelled: Callable[[], bool] = lambda: False,
) -> EnrichmentCounts:
    """Look up every movie (or some) that the database knows nothing of yet.

    Raises:
        DatasetError: no key, a wrong one, or TMDB can't be reached; what was found before is kept.
        CancelledError: ``cancelled`` said so.
    """
    item_ids = [int(i) for i in (dataset.items.index if items is None else items)]
    known_ids = {r["item_id"] for r in store.list_details(dataset.hash)}
    missing = [i for i in item_ids if i not in known_ids]
    counts = EnrichmentCounts(known=len(item_ids) - len(missing))
    if not missing:
        return counts
    client = Client(cancelled)
    ids: Any = dataset.items["tmdb_id"] if "tmdb_id" in dataset.items.columns else {}
    for index, item_id in enumerate(missing):
        item = dataset.item(item_id)
        on_progress(index, len(missing), item.title)
        if cancelled():
            raise CancelledError("Stopped.", "Details found so far are saved.")
        tmdb_id = ids.get(item_id)
        item_details = client.details(int(tmdb_id)) if tmdb_id and tmdb_id == tmdb_id else None
        likeness = 1.0 if item_details else 0.0
        if item_details is None:
            match, likeness = client.search(item)
            item_details = client.details(match) if match is not None else None
        if item_details is None:
            store.save_details(dataset.hash, [(item_id, None, "tmdb", likeness)])
            counts.not_found += 1
        else:
            store.save_details(dataset.hash, [(item_id, to_json(item_details), "tmdb", likeness)])
            counts.found += 1
    on_progress(len(missing), len(missing), "")
    return counts


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
            self._search = tmdbv3api.Search(obj_cached=False)
        self._missing = tmdbv3api.exceptions.TMDbException

    def details(self, tmdb_id: int) -> Details | None:
        """One movie, or ``None`` if TMDB has no such id."""
        data = self._ask(lambda: self._movie.details(tmdb_id, append_to_response="credits,keywords"))
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

    def search(self, item: Item) -> tuple[int | None, float]:
        """The id of the best match, ``None`` below `MIN_CONFIDENCE`, and how like it is (0–1)."""
        best: tuple[int | None, float] = (None, 0.0)
        for title in titles(item):
            for year in [item.year, None] if item.year else [None]:
                answer = self._ask(lambda t=title, y=year: self._search.movies(t, year=y))  # type: ignore[misc]
                for result in (answer or {}).get("results") or ():
                    score = likeness(item, result)
                    if result.get("id") and score > best[1]:
                        best = int(result["id"]), score
                if best[1] >= 0.97:
                    return best
        return best if best[1] >= MIN_CONFIDENCE else (None, best[1])

    def _ask(self, call: Callable[[], Any]) -> Any:
        """The library's object, which reads like a dict; ``None`` where TMDB has nothing."""
        try:
            return call()
        except self._missing:
            return None


def titles(item: Item) -> list[str]:
    """What to search for: the title, and a foreign one that stands in brackets behind it."""
    name = item.name
    bare = re.sub(r"\s*\(.*\)", "", name).strip()
    inside = [m.strip() for m in re.findall(r"\(([^)]+)\)", name)]
    inside = [re.sub(r"^a\.?k\.?a\.?\s+", "", t, flags=re.I) for t in inside]
    inside = [re.sub(r"^(.*), (\w{1,3}'?)$", r"\2 \1", t) for t in inside]
    return list(dict.fromkeys(t for t in (bare, *inside) if t))


def likeness(item: Item, result: dict[str, Any]) -> float:
    """How like a search result is to a movie: its best title's, less a tenth for each year between."""
    result_titles = [normalized_title(str(result.get(k) or "")) for k in ("title", "original_title")]
    item_titles = [normalized_title(t) for t in titles(item)]
    title = max(
        (difflib.SequenceMatcher(None, a, b).ratio() for a in item_titles for b in result_titles if a and b),
        default=0.0,
    )
    year = str(result.get("release_date") or "")[:4]
    if item.year and year.isdigit():
        # A movie is often dated by its festival on one side and its release on the other.
        title -= 0.1 * max(abs(int(year) - item.year) - 0.5, 0)
    elif item.year:
        title -= 0.15
    return max(title, 0.0)


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
