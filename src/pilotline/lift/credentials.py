"""What looks like a credential: by its own form, by where it stands in an address, or by the name that it is given.

Recognised by form: keys of well-known services, private keys, tokens of three parts. By place: the password of an
address (``postgres://app:word@host/orders``) or a connection string. By name: ``password = "..."``, ``api_key="..."``,
``{"token": "..."}``. Column names, hashes in data and words that only stand for a password are none.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A credential in a text: from ``start`` to ``end``, what it is, and the name that its service gives it."""

    start: int
    end: int
    what: str
    name: str


#: Form, what it is, its usual name. The first group is the credential, where there is one.
_FORMS: tuple[tuple[re.Pattern[str], str, str], ...] = tuple(
    (re.compile(pattern), what, name)
    for pattern, what, name in (
        (
            r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)",
            "private key",
            "PRIVATE_KEY",
        ),
        (r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b", "AWS access key", "AWS_ACCESS_KEY_ID"),
        (r"\bgh[pousr]_[A-Za-z0-9]{20,}", "GitHub token", "GITHUB_TOKEN"),
        (r"\bgithub_pat_[A-Za-z0-9_]{20,}", "GitHub token", "GITHUB_TOKEN"),
        (r"\bglpat-[A-Za-z0-9_-]{16,}", "GitLab token", "GITLAB_TOKEN"),
        (r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}", "Slack token", "SLACK_TOKEN"),
        (r"https://hooks\.slack\.com/services/(T\w+/B\w+/\w+)", "Slack webhook", "SLACK_WEBHOOK"),
        (r"https://discord(?:app)?\.com/api/webhooks/(\d+/[\w-]+)", "Discord webhook", "DISCORD_WEBHOOK"),
        (r"\b[sr]k_(?:live|test)_[A-Za-z0-9]{10,}", "Stripe key", "STRIPE_API_KEY"),
        (r"\bsk-ant-[A-Za-z0-9_-]{16,}", "Anthropic key", "ANTHROPIC_API_KEY"),
        (r"\bsk-(?=[A-Za-z0-9_-]*\d)[A-Za-z0-9_-]{16,}", "API key", "API_KEY"),
        (r"\bAIza[0-9A-Za-z_-]{30,}", "Google key", "GOOGLE_API_KEY"),
        (r"\bya29\.[0-9A-Za-z_-]{20,}", "Google token", "GOOGLE_TOKEN"),
        (r"\bhf_[A-Za-z0-9]{20,}", "Hugging Face token", "HF_TOKEN"),
        (r"\bnpm_[A-Za-z0-9]{30,}", "npm token", "NPM_TOKEN"),
        (r"\bpypi-[A-Za-z0-9_-]{40,}", "PyPI token", "PYPI_TOKEN"),
        (r"\bSG\.[\w-]{16,}\.[\w-]{16,}", "SendGrid key", "SENDGRID_API_KEY"),
        (r"\bdapi[0-9a-f]{32}\b", "Databricks token", "DATABRICKS_TOKEN"),
        (r"\bdop_v1_[0-9a-f]{40,}", "DigitalOcean token", "DIGITALOCEAN_TOKEN"),
        (r"\beyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", "signed token", "ACCESS_TOKEN"),
        (r"(?i)\b(?:AccountKey|SharedAccessKey)=([A-Za-z0-9+/]{20,}=*)", "Azure key", "AZURE_STORAGE_KEY"),
        (r"(?i)[?&]sig=([A-Za-z0-9%+/=]{16,})", "Azure signature", "AZURE_SAS_SIGNATURE"),
    )
)
_ADDRESS = re.compile(r"\b[a-zA-Z][\w+.-]{0,20}://[^\s/:@'\"]*:([^\s'\"/?#]+)@")
_CONNECTION = re.compile(
    r"(?i)(?:^|[;\s'\"(])(?:password|passwd|pwd)\s*=\s*(?:'([^']+)'|\"([^\"]+)\"|([^;\s'\",()\[\]]+))"
)
_OTHER_PART = re.compile(r"(?i)\b(?:host|server|user|uid|user id|username|dbname|database|data source|driver|port)\s*=")
_QUERY = re.compile(
    r"(?i)[?&](?:api_?key|apikey|key|token|access_token|auth|appid|app_id|password|client_secret|signature)=([^&\s#'\"]{8,})"
)
_BEARER = re.compile(r"\s*(?:Authorization:\s*)?(?:Bearer|Basic|Token)\s+([A-Za-z0-9._~+/=-]{8,})\s*")
#: In a comment, a sentence or a line of shell: a word for a credential, and what it is.
_SAID = re.compile(
    r"(?i)\b((?:\w*[_-])?(?:password|passwd|pwd|passphrase|token|api[_\s-]?key|secret(?:[_\s-]?key)?|access[_\s-]?key))"
    r"[ \t]*(?:=|:|\bis\b)[ \t]*[\"'`]?([^\s\"'`,;)]{4,})"
)

_PASSWORD = re.compile(r"(?:^|_)(?:password|passwd|passwort|pwd|passphrase|pass_?phrase|passcode|pw|pass)\d*$")
_TOKEN = re.compile(
    r"(?:^|_)(?:secret|token|api_?key|apikey|app_?key|access_?key|access_?key_?id|secret_?key|auth_?key|private_?key|"
    r"account_?key|client_?secret|consumer_?key|consumer_?secret|credentials?|auth|authorization|bearer|webhook|"
    r"connection_?string|dsn|sas|signature|session_?id|cookie|appid|app_?id)\d*$"
)
_KEY = re.compile(r"(?:^|_)(?:key|pat)$")
_PLACEHOLDER = re.compile(
    r"(?i)^(?:|<.*>|\{.*\}|\$.*|%\(.*|\*+|x{3,}|\.{3,}|_+|-+|\?+|none|null|nan|true|false|todo|tbd|n/?a|empty|unknown|"
    r"redacted|insert[\s_-].*|enter[\s_-].*|put[\s_-].*|your[\s_-].*|my[\s_-]?(?:api[_-]?)?(?:token|key|password|secret)|"
    r".*\byour[\s_-](?:api[\s_-]?)?(?:key|token|password|secret).*|.*(?:_here|-here))$"
)
#: What a name of a column is given in a dict: types, aggregates.
_COLUMN_WORDS = re.compile(
    r"(?i)^(?:str|string|object|category|text|varchar.*|char.*|u?int\d*|float\d*|double|bool|boolean|bytes|date|datetime.*|"
    r"count|nunique|unique|first|last|max|min|sum|mean|median|mode|std|var|size|list|any|all|password|passwd|pwd|token|"
    r"secret|key|drop|keep|hash|masked|required|optional|input|hidden)$"
)
#: Words so common that they cannot be told from the rest of a text; they are replaced where they are given, only.
_COMMON = frozenset(
    {"password", "passwd", "pass", "admin", "root", "user", "test", "guest", "demo", "secret", "token", "postgres", "mysql",
     "default", "none", "null", "true", "false", "data", "orders", "sales", "index", "name", "value", "local", "public"}
)  # fmt: skip


def in_text(text: str) -> Iterator[Found]:
    """Credentials that a text shows by its form or by their place in it, without overlaps."""
    taken: list[tuple[int, int]] = []
    for one in _candidates(text):
        if one.start < one.end and not any(one.start < end and start < one.end for start, end in taken):
            taken.append((one.start, one.end))
            yield one


def by_form(text: str) -> Iterator[Found]:
    """Credentials that a text shows by their own form, wherever they stand."""
    for pattern, what, name in _FORMS:
        for match in pattern.finditer(text):
            yield _of(match, what, name)


def _candidates(text: str) -> Iterator[Found]:
    yield from by_form(text)
    for match in _ADDRESS.finditer(text):
        if not is_placeholder(match[1]):
            database = re.match(r"[^/\s]*/([A-Za-z]\w*)", text[match.end() :])
            kind = "" if text[: match.start() + 4].lower().endswith("http") else "DB_"
            prefix = f"{database[1]}_" if database and kind else ""
            yield _of(match, "password in an address", f"{prefix}{kind}PASSWORD".upper())
    if _OTHER_PART.search(text):
        for match in _CONNECTION.finditer(text):
            group = next(number for number in (1, 2, 3) if match[number])
            if not is_placeholder(match[group]):
                yield Found(
                    start=match.start(group), end=match.end(group), what="password of a connection", name="DB_PASSWORD"
                )
    for match in _QUERY.finditer(text):
        if not is_placeholder(match[1]) and looks_random(match[1]):
            yield _of(match, "key in an address", "API_KEY")
    match = _BEARER.fullmatch(text)
    if match and looks_random(match[1]):
        yield _of(match, "token of a header", "API_TOKEN")


def _of(match: re.Match[str], what: str, name: str) -> Found:
    group = 1 if match.re.groups and match[1] else 0
    return Found(start=match.start(group), end=match.end(group), what=what, name=name)


def said_in(text: str) -> Iterator[Found]:
    """Credentials that a sentence, a comment or a line of shell tells: ``# the password is ...``."""
    yield from in_text(text)
    for match in _SAID.finditer(text):
        word, value = words_of(match[1]), match[2].rstrip(".")
        if not is_placeholder(value) and (looks_random(value) or (_PASSWORD.search(word) and _has_sign(value))):
            yield Found(start=match.start(2), end=match.start(2) + len(value), what=word, name=word.upper())


def by_name(name: str, value: str, *, column: bool = False) -> bool:
    """Whether a text is a credential because of the name that it is given.

    Args:
        name: of a variable, an argument, an attribute or a key.
        value: the text.
        column: the name may as well be that of a column, as the keys of a dict are.
    """
    word = words_of(name)
    if is_placeholder(value) or (column and _COLUMN_WORDS.match(value)):
        return False
    if _PASSWORD.search(word):
        if word in {"pw", "pass", "pwd"} or word.endswith(("_pass", "_pw")):
            return len(value) >= 4 and not re.search(r"[\s/\\]", value) and (_has_sign(value) or not column)
        return not re.search(r"\s", value.strip()) or looks_random(value)
    if _TOKEN.search(word):
        return looks_random(value, bits=0.5)
    return bool(_KEY.search(word)) and len(value) >= 20 and looks_random(value)


def words_of(name: str) -> str:
    """A name in one way of writing: ``dbPassword``, ``DB-PASSWORD`` -> ``db_password``."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name)
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")


def is_placeholder(value: str) -> bool:
    """It only stands for a credential: ``<password>``, ``your-api-key``, ``***``."""
    return bool(_PLACEHOLDER.match(value.strip()))


def looks_random(value: str, bits: float = 2.5) -> bool:
    """A text that nobody writes as a word: no blanks, of some length, letters mixed with other signs.

    Args:
        value: the text.
        bits: how much each of its signs tells at least.
    """
    if len(value) < 8 or re.search(r"\s", value):
        return False
    if re.fullmatch(r"[\w.-]+\.(?:csv|json|txt|py|parquet|pem|pkl|db|xlsx?|com|org|net)", value) or re.match(
        r"(?:[.~]?/|[A-Za-z]:\\)", value
    ):
        return False
    letters = any(sign.isalpha() for sign in value)
    digits = any(sign.isdigit() for sign in value)
    mixed = value.lower() != value and value.upper() != value and not re.fullmatch(r"(?:[A-Z]?[a-z]+){1,4}", value)
    told = -sum(n / len(value) * math.log2(n / len(value)) for n in Counter(value).values())
    if letters and (digits or mixed):
        return told >= bits and not re.fullmatch(r"[a-z]+(?:[_-][a-z]+)*[_-]?v?\d{1,4}", value)
    return digits and len(value) >= 12 and told >= bits and bool(re.search(r"\D", value))


def _has_sign(value: str) -> bool:
    return bool(re.search(r"[^a-zA-Z]", value)) or (value.lower() != value and value.upper() != value)


def is_common(value: str) -> bool:
    """Too short or too common a word to be looked for elsewhere."""
    return len(value) < 4 or value.lower() in _COMMON
