"""Where the server listens, and with which token."""

from __future__ import annotations

import socket

import pytest

from pilotline.server.listening import CannotListen, NotLoopback, address_of, listen
from pilotline.server.tokens import BadToken, Token, token_from

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


def test_an_address_of_the_sixth_version_stands_in_brackets():
    class Socket:
        def getsockname(self):
            return "::1", 8181, 0, 0

    assert address_of(Socket()) == "http://[::1]:8181"


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
