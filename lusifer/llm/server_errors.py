"""What a server says when it does not answer: read from its many forms, and told apart by more than one sign.

An error comes as a status with a body, inside a body with status 200, or inside a stream; its text as a string, as an
object, as a list of objects, or as JSON inside a string. The machine's word for it (``code``, ``type``) goes before the
status, and both before the words of the text.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any

MAX_TEXT = 400
_WORD = re.compile(r"[^a-z0-9]+")
_TAGS = re.compile(r"<(script|style).*?</\1>|<[^>]+>", re.IGNORECASE | re.DOTALL)

CREDIT_CODES = frozenset(
    "insufficient_quota insufficient_user_quota insufficient_balance insufficient_credits insufficient_funds "
    "billing_hard_limit_reached billing_not_active billing_error payment_required credit_exhausted arrearage "
    "credits_exhausted account_overdue_error accountoverdueerror out_of_credits quota_exhausted budget_exceeded "
    "spending_limit_reached spending_limit_exceeded usage_limit_reached usage_limit_exceeded".split()
)
RATE_CODES = frozenset(
    "rate_limit_exceeded rate_limit_error rate_limited rate_limit too_many_requests requests tokens throttling "
    "resource_exhausted throttling_exception throttling_rate_quota limit_requests engine_overloaded overloaded_error "
    "server_overloaded concurrency_limit_exceeded".split()
)
SERVER_CODES = frozenset(
    "server_error internal_server_error internal_error internal api_error service_unavailable unavailable "
    "service_unavailable_error unavailable_error overloaded bad_gateway gateway_timeout timeout_error "
    "deadline_exceeded upstream_error".split()
)
CONTEXT_CODES = frozenset(
    "context_length_exceeded exceed_context_size_error string_above_max_length context_window_exceeded "
    "model_max_prompt_tokens_exceeded prompt_too_long request_too_large".split()
)
MODEL_CODES = frozenset("model_not_found model_not_exist invalid_model unknown_model model_not_available".split())
KEY_CODES = frozenset(
    "invalid_api_key authentication_error invalid_authentication unauthorized unauthenticated permission_denied "
    "invalid_token token_expired account_deactivated".split()
)
JSON_CODES = frozenset({"json_validate_failed"})
_RATE_WORDS = re.compile(
    r"\bper[ -](second|minute|hour|day)\b|/\s?(min|minute|day|hour)\b|\b[rt]p[mds]\b|\bqps\b|"
    r"(try|retry) (again )?(in|after) (about )?[\d.]+|too many requests|slow(ing)? down|rate.?limit|per-(min|day)\b",
    re.IGNORECASE,
)
_CREDIT_WORDS = re.compile(
    r"(insufficient|not enough|no|low|lack of|out of|used up( all)?( your)?|exhausted( your)?|exceeded your) (\w+ )?"
    r"(credits?|balance|funds)\b|\b(credits?|balance|funds)( \w+)? (is |are |has been |have been )?"
    r"(too low|exhausted|insufficient|depleted|used up|overdue|negative|not enough|run out)|\b(top.?up|recharge)\b|"
    r"(add|buy|purchase) (\w+ )?credits|payment (is )?required|billing (hard )?limit|余额不足|欠费|"
    r"\b(monthly|spend(ing)?|budget)( \w+){0,2} (limits?|cap) (\w+ ){0,2}(reached|exceeded|hit)\b|"
    r"\b(reach|exceed|hit)\w*( \w+){0,4} (monthly|spend(ing)?|budget)( \w+){0,2} (limits?|cap)\b|"
    r"\bbudget (has been |was |is )?exceeded|exceeded (the |your )?(\w+ )?budget|\bkey limit exceeded",
    re.IGNORECASE,
)
_USAGE_WORDS = re.compile(
    r"\busage limits? (\w+ ){0,2}(reached|exceeded|hit)\b|\b(reach|exceed|hit)\w*( \w+){0,4} usage limits?\b",
    re.IGNORECASE,
)
_QUOTA_WORDS = re.compile(r"\bquota\b|\bbilling\b", re.IGNORECASE)
# Where neither a status nor a code tells, a sentence must begin so: what is quoted in a refusal is not meant.
_SENTENCE = r"(?:^|[.:;,!?|\])>-]\s*|\b\d{3}\s+)[\W_]{0,5}(?:(?:the|this|that|our|your|sorry|error)\b[\W_]{0,5}){0,3}"
_RATE_SENTENCE = re.compile(
    rf"\A\W*rate[ _-]?limit(?:ed|ing|s)?\W*\Z|{_SENTENCE}(?:too many (?:concurrent )?requests\b|"
    r"(?:please )?slow down\b|quota exceeded\b.{0,60}\bper[ -](?:second|minute|hour|day)\b|"
    r"(?:free tier |\w+ )?(?:rate|concurrency|requests?|per[ -](?:second|minute|hour|day)|[rt]p[md])[ -]?limits?\b"
    r"(?: (?!not\b)\w+){0,4} (?:reached|exceeded|hit)\b|"
    r"(?:request (?:was|is) )?(?:throttled|rate[ -]limited)\b|"
    r"(?:you|we|organization|account|key|project|team|user|client|request) (?:(?!not\b)\w+ ){0,3}"
    r"(?:exceeded|reached|hit|being|were|are) (?:(?!not\b)\w+ ){0,4}(?:rate[ -]?limit(?:s|ed)?|throttled)\b)|"
    r"\b(?:try|retry) (?:again )?(?:in|after) (?:about )?[\d.]+ ?(?:ms|s|secs?|seconds?|m|mins?|minutes?)\b",
    re.IGNORECASE,
)
_FOR_NOW = r"(?:(?:is|are|was|has been|currently|temporarily|too|now) ){0,3}"
_SERVER_SENTENCE = re.compile(
    rf"{_SENTENCE}(?:(?:an? )?(?:internal (?:server )?|(?:unexpected )?server )error\b|server had an error\b|"
    r"bad gateway\b|gateway time-?out\b|overloaded\W*\Z|"
    r"(?:upstream |inference )?(?:request|upstream|provider|model|inference) (?:timed out|time-?out)\b|"
    r"we(?: are|'re) (?:currently )?experiencing (?:high|heavy|increased) (?:demand|load|traffic)\b|"
    r"(?:temporarily|currently) (?:overloaded|unavailable|busy)\b(?! (?:in|for|to|with|on)\b)|"
    rf"(?:\w+ )?(?:server|model|service|engine|system|provider|upstream|backend|api)s? {_FOR_NOW}"
    r"(?:overloaded|busy|at (?:full )?capacity|temporarily down|under (?:heavy|high) load)\b|"
    rf"(?:\w+ )?(?:(?:server|service|provider|upstream|backend|api) {_FOR_NOW}|"
    r"model (?:is )?(?:temporarily|currently) )unavailable\b(?! (?:in|for|to|with|on)\b))",
    re.IGNORECASE,
)
_ORDINARY_CODE = re.compile(r"invalid|bad_request|not_found|unsupported|denied|forbidden|unprocessable")
_CONTEXT_WORDS = re.compile(
    r"context (length|size|window)|maximum context|"
    r"(prompt|input|request|message)s? (\w+ )?(is |are )?too (long|big|large)|"
    r"too many (input |prompt )?tokens|(exceeds?|over|beyond) (the )?(\w+ ){0,4}(context|input token|token limit)|"
    r"reduce the length of the (messages|prompt|input)|"
    r"\b(input|prompt)s?( tokens?)?( count| length| size)?( \(\d[^)]*\)| of \d+| \d+)?( tokens)? (exceeds?|is over)\b|"
    r"\b(maximum|max) (prompt|input) (length|size|tokens)|"
    r"\binputs?`?( tokens)? must (be|have) (<|≤|less|fewer|at most)|"
    r"\binputs?`? tokens \+ `?max_\w*tokens`? must be|range of input length",
    re.IGNORECASE,
)
_LOAD_WORDS = re.compile(
    r"no models? (is |are )?(currently )?loaded|model (is )?(not|un)\s?loaded|load (a|the) model|"
    r"no model (is )?running",
    re.IGNORECASE,
)
_PATH_WORDS = re.compile(
    r"unexpected endpoint|unknown (endpoint|path|route|url|request url)|no (such )?(route|endpoint|path)\b|"
    r"page not found|cannot (post|get) /|invalid url|path .{0,60}not found|method not allowed|no handler",
    re.IGNORECASE,
)
_POLICY_WORDS = re.compile(
    r"data policy|privacy (settings|policy)|guardrail|moderation|terms of service", re.IGNORECASE
)
_MODEL_WORDS = re.compile(
    r"\bmodel\b.{0,80}?\b(not (be )?(found|exist|available|supported|valid|pulled)|does ?n[o']t exist|unknown|"
    r"unavailable|unsupported|no longer|deprecated|decommissioned|access)|(no such|unknown|invalid|unsupported) model|"
    r"not a valid model|no endpoints found (for|matching) [\w./:-]+",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class ServerError:
    """What a server said.

    Attributes:
        status: HTTP's, or the one that stands in the error; 0 for none.
        text: its words, on one line.
        codes: its machine words (``code``, ``type``, ``status``), small, joined by underscores.
        param: the part of the request that it names.
        failed: the answer that did not fit its schema, where a server tells it (Groq).
        retry_after: seconds that it asks to wait.
        is_json: whether it came as JSON, hence from somebody who knows the protocol.
    """

    status: int
    text: str
    codes: frozenset[str] = frozenset()
    param: str = ""
    failed: str | None = None
    retry_after: float | None = None
    is_json: bool = True

    @property
    def kind(self) -> str:
        """The first of these that applies: what a person must know to act.

        ``json``, ``credit``, ``redirect``, ``context``, ``rate-limit``, ``unloaded``, ``policy``, ``auth``, ``server``,
        ``path``, ``model``, ``missing``, ``request``.
        """
        status, text, codes = self.status, self.text, self.codes
        if codes & JSON_CODES or self.failed is not None:
            return "json"
        limited = self._limit()
        if limited == "credit":
            return limited
        rules = (
            ("redirect", 300 <= status < 400),
            ("context", bool(codes & CONTEXT_CODES) or status == 413 or bool(_CONTEXT_WORDS.search(text))),
            ("rate-limit", limited == "rate-limit"),
            ("unloaded", bool(_LOAD_WORDS.search(text)) and status != 503),
            ("policy", bool(_POLICY_WORDS.search(text)) and status in {0, 400, 403, 404, 451}),
            ("auth", status in {401, 403, 407} or bool(codes & KEY_CODES)),
            ("server", (status >= 500 and status != 501) or status in {408, 409, 425} or self._is_busy()),
            ("path", status == 405 or (bool(_PATH_WORDS.search(text)) and status in {0, 400, 404})),
            ("model", bool(codes & MODEL_CODES) or (status in {0, 400, 404} and bool(_MODEL_WORDS.search(text)))),
            # Who knows the protocol answers with an error of it; what is no address, with a page or a word.
            ("missing" if self.is_json else "path", status == 404),
        )
        return next((kind for kind, applies in rules if applies), "request")

    def _limit(self) -> str:
        """``credit`` or ``rate-limit``, or nothing.

        A word alone decides nothing: "quota" and "billing" stand in both kinds. In this order: the code for used-up
        credit, status 402, words for a rate (a unit of time, a time to wait), plain words for an empty account, the
        code for a rate or a header that asks to wait.
        """
        limited = self.status == 429 or bool(self.codes & RATE_CODES) or self._says(_RATE_SENTENCE)
        rate = bool(_RATE_WORDS.search(self.text))
        empty = bool(_CREDIT_WORDS.search(self.text)) or (not limited and bool(_USAGE_WORDS.search(self.text)))
        if self.codes & CREDIT_CODES or self.status == 402:
            return "credit"
        if limited and rate:
            return "rate-limit"
        if empty and (limited or self.status in {0, 400, 401, 403, 404, 412}):
            return "credit"
        if self.codes & RATE_CODES or (limited and self.retry_after is not None):
            return "rate-limit"
        if limited and (_QUOTA_WORDS.search(self.text) or _USAGE_WORDS.search(self.text)):
            return "credit"
        return "rate-limit" if limited else ""

    def _is_busy(self) -> bool:
        """Whether an error without a status is the server's own."""
        return not self.status and (bool(self.codes & SERVER_CODES) or self._says(_SERVER_SENTENCE))

    def _says(self, sentence: re.Pattern[str]) -> bool:
        """Whether an error that has neither a status nor a code which tells its kind says so in a sentence."""
        silent = not self.status and not self.param and not any(_ORDINARY_CODE.search(c) for c in self.codes)
        return silent and bool(sentence.search(self.text))


def from_status(status: int, body: str, headers: Mapping[str, str]) -> ServerError:
    """The error of an answer that has a status of its own."""
    if 300 <= status < 400:
        return ServerError(status, _one_line(f"to {headers.get('location') or 'an address that it does not name'}"))
    try:
        value = json.loads(body, strict=False)
    except (ValueError, RecursionError):
        text = _one_line(_TAGS.sub(" ", body))
        return ServerError(status, text, retry_after=retry_after(headers), is_json=False)
    error = _of(value, status, headers)
    return error if error.text else replace(error, text=_one_line(body))


def inside(value: Any, headers: Mapping[str, str] | None = None) -> ServerError | None:
    """The error in a body whose status was a success, or in an event of a stream; ``None`` for an answer."""
    if isinstance(value, list) and value and isinstance(value[0], Mapping) and value[0].get("error"):
        value = value[0]
    if not isinstance(value, Mapping):
        return None
    choices = value.get("choices")
    first = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], Mapping) else {}
    if first.get("error"):
        return _of(first, 0, headers or {})
    if value.get("error") and first.get("finish_reason") == "error":
        return _of(value, 0, headers or {})
    if first or isinstance(value.get("message"), Mapping):
        return None
    failed = value.get("object") == "error" or value.get("success") is False or value.get("type") == "error"
    if value.get("error") or value.get("errors") or value.get("detail") or failed:
        return _of(value, 0, headers or {})
    code = value.get("code", value.get("status"))
    if isinstance(value.get("message"), str) and code not in {None, 0, 200, "200", "0", "ok", "success"}:
        return _of(value, 0, headers or {})
    return None


def _of(value: Any, status: int, headers: Mapping[str, str]) -> ServerError:
    texts: list[str] = []
    found: dict[str, Any] = {}
    _gather(value, texts, found, 0)
    codes = {_normal(found.get(k)) for k in ("code", "type", "status", "error")} - {""}
    inner = next((int(c) for c in sorted(codes) if c.isdigit() and 400 <= int(c) < 600), 0)
    wait = retry_after(headers)
    if wait is None:
        wait = _seconds(found.get("retry_after"))
    failed = found.get("failed_generation")
    return ServerError(
        status if status and not (status in {400, 500} and inner in {401, 402, 429}) else inner or status,
        _one_line(" ".join(dict.fromkeys(t for t in texts if t))),
        frozenset(codes),
        str(found.get("param") or ""),
        failed if isinstance(failed, str) else None,
        wait,
    )


_TEXTS = ("message", "msg", "detail", "error", "errors", "error_description", "title", "reason", "raw", "metadata")
_FACTS = ("code", "type", "status", "param", "failed_generation", "retry_after", "error_code")


def _gather(value: Any, texts: list[str], found: dict[str, Any], depth: int) -> None:
    """The words and the facts of an error, whatever it is wrapped in; the outermost of each fact counts last."""
    if depth > 5:
        return
    if isinstance(value, str):
        inner = value.strip()
        if inner.startswith(("{", "[")):
            try:
                _gather(json.loads(inner, strict=False), texts, found, depth + 1)
                return
            except (ValueError, RecursionError):
                pass
        texts.append(inner)
    elif isinstance(value, list):
        for entry in value[:5]:
            _gather(entry, texts, found, depth + 1)
    elif isinstance(value, Mapping):
        place = value.get("loc")
        if isinstance(place, list) and place:
            texts.append(f"{'.'.join(map(str, place))}:")
            found.setdefault("param", str(place[-1]))
        for name in _TEXTS:
            if value.get(name):
                _gather(value[name], texts, found, depth + 1)
        for name in _FACTS:
            fact = value.get(name)
            if fact not in (None, "") and not isinstance(fact, Mapping | list):
                found.setdefault("code" if name == "error_code" else name, fact)


def _normal(code: Any) -> str:
    return _WORD.sub("_", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", str(code or "")).lower()).strip("_")[:60]


def _one_line(text: str) -> str:
    return " ".join(text.split())[:MAX_TEXT]


def retry_after(headers: Any) -> float | None:
    """Seconds of a ``Retry-After`` (seconds or a date) or ``retry-after-ms`` header."""
    milliseconds = _seconds(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after")
    seconds = _seconds(text)
    if seconds is not None or not text:
        return seconds
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (TypeError, ValueError, OverflowError):
        return None


def _seconds(value: Any) -> float | None:
    """A number, or a text that is one (``"30"``, ``"30s"``), as one of 0 or more; ``None`` for anything else."""
    try:
        number = float(value.strip().removesuffix("s") if isinstance(value, str) else value)
    except (TypeError, ValueError, OverflowError):
        return None
    return max(number, 0.0) if math.isfinite(number) else None
