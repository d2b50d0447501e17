"""The owner's token: whoever has it may read everything that is served."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pilotline.domain.errors import AccessError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["BadToken", "Token", "token_from"]

#: The variable that a token is read from.
VARIABLE: Final = "PILOTLINE_TOKEN"
#: What may stand in a header behind ``Bearer``; a colon would end it where clients write ``id:secret``.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/\-]{16,512}=*")


class BadToken(AccessError):
    """The token that was given cannot be one."""

    code = "PL403"
    exit_status = 2


@dataclass(frozen=True, slots=True)
class Token:
    """A secret that is compared without telling how much of it was right."""

    secret: str = field(repr=False)
    #: Where it came from; None: it was made just now.
    given_by: str | None = None

    @classmethod
    def new(cls) -> Token:
        """One that nobody can guess."""
        return cls(secrets.token_urlsafe(32))

    def is_(self, said: str) -> bool:
        """Whether this is what somebody said."""
        return hmac.compare_digest(self.secret.encode(), said.encode(errors="surrogateescape"))


def token_from(file: Path | None, environ: Mapping[str, str]) -> Token:
    """The token in a file; else that in ``PILOTLINE_TOKEN``; else a new one.

    Raises:
        BadToken: the file cannot be read, or what is there cannot be a token.
    """
    if file is not None:
        try:
            return _checked(file.read_text(encoding="utf-8").strip(), str(file))
        except (OSError, ValueError) as error:
            raise BadToken(
                f"no token can be read from {file}: {error}", try_next="name a file that holds one", file=str(file)
            ) from error
    if VARIABLE in environ:
        return _checked(environ[VARIABLE].strip(), VARIABLE)
    return Token.new()


def _checked(secret: str, given_by: str) -> Token:
    if not _TOKEN.fullmatch(secret):
        raise BadToken(
            f"the token in {given_by} must be at least 16 letters, digits and . _ ~ + / -, without blanks",
            try_next='python -c "import secrets; print(secrets.token_urlsafe(32))" makes a good one',
            given_by=given_by,
        )
    return Token(secret, given_by)
