"""Ways to tell people: a webhook, Slack or whatever takes its format, e-mail. The standard library is enough for them."""

from __future__ import annotations

import os
import smtplib
import urllib.error
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote, urlsplit

from pilotline.factory.alerting import NotDelivered
from pilotline.run.errors import BadSettings
from pilotline.run.posting import post_json

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pilotline.factory.alerting import Channel, News
    from pilotline.run.projects import Project

__all__ = ["Mail", "Slack", "Webhook", "channels_of", "deliver"]

_TIMEOUT: Final = 15.0
_MOST_LINES: Final = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """One JSON document a message, by POST: ``text``, and ``alerts`` with all there is to know of each."""

    #: May hold a token: never shown.
    url: str = field(repr=False)
    name: str = "webhook"

    def send(self, news: Sequence[News]) -> None:
        """See ``Channel.send``."""
        alerts = [{**each.alert.as_json(), "news": each.word, "text": each.text} for each in news]
        deliver(self.url, {"text": _text(news), "alerts": alerts})


@dataclass(frozen=True, slots=True, kw_only=True)
class Slack:
    """What Slack, Mattermost, Rocket.Chat and others take: ``text`` alone."""

    url: str = field(repr=False)
    name: str = "slack"

    def send(self, news: Sequence[News]) -> None:
        """See ``Channel.send``."""
        text = _text(news, marks={"opened": ":red_circle: ", "recovered": ":large_green_circle: "})
        deliver(self.url, {"text": text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
    """E-mail to each owner, where the contract's owner is an address; else to one for all."""

    #: ``smtp://user@host:587``; ``smtps://`` speaks TLS from the start, ``smtp://`` as soon as the server offers it.
    server: str
    sender: str
    to: str = ""
    password: str = field(default="", repr=False)
    name: str = "mail"

    def send(self, news: Sequence[News]) -> None:
        """See ``Channel.send``."""
        by_address: dict[str, list[News]] = {}
        for each in news:
            address = each.alert.owner if "@" in each.alert.owner else self.to
            if address:
                by_address.setdefault(address, []).append(each)
        if not by_address:
            raise NotDelivered(
                "nobody to write to: no owner of these is an address, and [alerts] names nobody under to",
                try_next='to = "data-team@example.org" under [alerts] in pilotline.toml',
            )
        url = urlsplit(self.server)
        secure = url.scheme == "smtps"
        kind = smtplib.SMTP_SSL if secure else smtplib.SMTP
        try:
            with kind(url.hostname or "localhost", url.port or (465 if secure else 25), timeout=_TIMEOUT) as server:
                server.ehlo()
                if not secure and server.has_extn("starttls"):
                    server.starttls()
                    server.ehlo()
                if url.username and self.password:
                    server.login(unquote(url.username), self.password)
                for address, listed in by_address.items():
                    server.send_message(_message(self.sender, address, listed))
        except (OSError, smtplib.SMTPException) as error:
            raise _failed(f"{url.hostname}", error) from error


def channels_of(project: Project, environ: Mapping[str, str] | None = None) -> tuple[Channel, ...]:
    """The channels that the settings of a project name under ``[alerts]``; variables say more.

    Raises:
        BadSettings: they cannot be understood.
    """
    held = os.environ if environ is None else environ

    def said(name: str, variable: str) -> str:
        return held.get(variable) or project.alert_setting(name) or ""

    found: list[Channel] = []
    for kind, name in ((Webhook, "webhook"), (Slack, "slack")):
        url = said(name, f"PILOTLINE_ALERT_{name.upper()}")
        if url:
            if not url.startswith(("http://", "https://")) or not _has_host(url):
                raise BadSettings(
                    f"[alerts] {name} is no http:// or https:// address", try_next="pilotline explain PL308"
                )
            found.append(kind(url=url))
    if server := said("smtp", "PILOTLINE_ALERT_SMTP"):
        if not server.startswith(("smtp://", "smtps://")) or not _has_host(server):
            raise BadSettings(
                "[alerts] smtp is no smtp:// or smtps:// address, as smtp://user@mail.example.org:587 is",
                try_next="pilotline explain PL308",
            )
        sender = said("from", "PILOTLINE_ALERT_FROM") or "pilotline@localhost"
        to = said("to", "PILOTLINE_ALERT_TO")
        found.append(Mail(server=server, sender=sender, to=to, password=held.get("PILOTLINE_ALERT_PASSWORD", "")))
    return tuple(found)


def _has_host(url: str) -> bool:
    """Whether an address names a host, and its port is a number."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _text(news: Sequence[News], marks: Mapping[str, str] | None = None) -> str:
    lines = [(marks or {}).get(each.word, "") + each.text for each in news[:_MOST_LINES]]
    more = len(news) - _MOST_LINES
    return "\n".join([*lines, *([f"and {more} more: pilotline alerts"] if more > 0 else [])])


def _message(sender: str, to: str, news: Sequence[News]) -> EmailMessage:
    message = EmailMessage()
    first = " ".join(news[0].text.split())[:120]
    message["Subject"] = "Pilotline: " + (first if len(news) == 1 else f"{first}, and {len(news) - 1} more")
    message["From"], message["To"] = sender, to
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=sender.rpartition("@")[2])
    parts = [f"{each.text}\nsince {each.alert.opened:%Y-%m-%d %H:%M} UTC" for each in news[:_MOST_LINES]]
    run = next((each.alert.run for each in news if each.alert.run), None)
    parts.append(f"pilotline logs {run}" if run else "pilotline alerts")
    message.set_content("\n\n".join(parts) + "\n")
    return message


def deliver(url: str, document: Mapping[str, Any], *, bearer: str = "") -> None:
    """Post one JSON document to an http or https address.

    Raises:
        NotDelivered: it was not taken.
    """
    try:
        post_json(url, document, timeout=_TIMEOUT, bearer=bearer)
    except (OSError, ValueError) as error:
        # The path may be a secret, as Slack's is.
        raise _failed(urlsplit(url).hostname or "", error) from error


def _failed(host: str, error: Exception) -> NotDelivered:
    said = f"HTTP {error.code}" if isinstance(error, urllib.error.HTTPError) else f"{type(error).__name__}: {error}"
    return NotDelivered(f"{host} did not take a message: {said}", try_next="pilotline alerts --test", host=host)
