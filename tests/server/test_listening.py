"""Where the server listens, and with which token."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from pilotline.domain.errors import UsageError
from pilotline.server.listening import BadCertificate, CannotListen, NotLoopback, Tls, address_of, listen, tls_from
from pilotline.server.tokens import BadToken, Token, token_from

#: Of 127.0.0.1, signed by itself, valid from 2020 to 2120.
CERTIFICATE, KEY = (Path(__file__).with_name(f"only-for-tests.{suffix}") for suffix in ("pem", "key"))
GOOD = "sixteen-letters-or-more"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.0.0.2"])
def test_this_machine_alone_needs_no_permission(host):
    with listen(host, 0) as listening:
        assert address_of(listening).startswith("http://")
        socket.create_connection(listening.getsockname()[:2]).close()


def test_what_others_can_reach_is_refused_unless_it_is_said():
    host = "0.0.0.0"  # noqa: S104
    with pytest.raises(NotLoopback) as caught:
        listen(host, 0)
    assert caught.value.code == "PL402"
    with listen(host, 0, expose=True) as listening:
        assert listening.getsockname()[0] == host


def test_a_port_that_is_taken_is_refused_and_so_is_an_address_of_others():
    with listen("127.0.0.1", 0) as listening:
        with pytest.raises(CannotListen, match="in use") as caught:
            listen("127.0.0.1", listening.getsockname()[1])
        assert caught.value.code == "PL501"
    for host in ("192.0.2.1", "no.such.host.invalid"):
        with pytest.raises(CannotListen):
            listen(host, 0, expose=True)


@pytest.mark.parametrize("host", [".", "a..b", "x" * 300])
def test_what_can_be_no_host_is_refused(host):
    with pytest.raises(CannotListen, match="cannot listen on"):
        listen(host, 0)


def test_an_address_of_the_sixth_version_stands_in_brackets():
    class Socket:
        def getsockname(self):
            return "::1", 8181, 0, 0

    assert address_of(Socket()) == "http://[::1]:8181"


def test_a_certificate_and_its_key_are_taken_together_or_not_at_all(tmp_path):
    assert tls_from(None, None) is None
    assert tls_from(CERTIFICATE, KEY) == Tls(certificate=CERTIFICATE, key=KEY)
    for one in ((CERTIFICATE, None), (None, KEY)):
        with pytest.raises(UsageError):
            tls_from(*one)
    (tmp_path / "empty").touch()
    for pair in ((KEY, CERTIFICATE), (CERTIFICATE, tmp_path / "none"), (tmp_path / "empty", KEY), (tmp_path, KEY)):
        with pytest.raises(BadCertificate) as caught:
            tls_from(*pair)
        assert (caught.value.code, caught.value.exit_status) == ("PL348", 2)
    with listen("127.0.0.1", 0) as listening:
        assert address_of(listening, Tls(certificate=CERTIFICATE, key=KEY)).startswith("https://127.0.0.1:")


def test_the_file_says_more_than_the_variable_and_without_both_a_token_is_made(tmp_path):
    file = tmp_path / "token"
    file.write_text(f"{GOOD}\n")
    assert token_from(file, {"PILOTLINE_TOKEN": "another-one-of-sixteen"}) == Token(GOOD, str(file))
    assert token_from(None, {"PILOTLINE_TOKEN": GOOD}) == Token(GOOD, "PILOTLINE_TOKEN")
    made = {token_from(None, {}).secret for _ in range(3)}
    assert len(made) == 3
    assert min(map(len, made)) >= 43


@pytest.mark.parametrize(
    "said", ["", "short", "with blanks in between it", "with:colon-in-between", "ümläute-in-between", "a" * 600]
)
def test_what_cannot_be_a_token_is_refused_without_being_told(said, tmp_path):
    with pytest.raises(BadToken) as caught:
        token_from(None, {"PILOTLINE_TOKEN": said})
    assert (caught.value.code, caught.value.exit_status) == ("PL403", 2)
    assert not said or said not in str(caught.value.as_json())
    (tmp_path / "token").write_text(said)
    with pytest.raises(BadToken):
        token_from(tmp_path / "token", {})


def test_a_file_that_cannot_be_read_gives_no_token(tmp_path):
    (tmp_path / "bytes").write_bytes(b"\xff" * 20)
    for name in ("none", "bytes"):
        with pytest.raises(BadToken):
            token_from(tmp_path / name, {})


def test_a_token_does_not_show_itself():
    assert GOOD not in repr(Token(GOOD))
    assert [Token(GOOD).is_(said) for said in (GOOD, "", GOOD[:-1], GOOD + "x", "ü")] == [
        True,
        False,
        False,
        False,
        False,
    ]
