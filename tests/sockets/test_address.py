"""Addresses of Unix sockets: U03 (paths of any length), U15 (abstract names, autobind), and bad ones."""

import errno
import os
import pathlib
import re

import pytest

from unixipc import sockets
from unixipc.sockets import Address, parse

WAIT = 20


def path_of_length(folder, length):
    """A path of exactly `length` bytes below `folder`, its folders made."""
    path = str(folder)
    while length - len(path) > 202:
        path += "/" + "d" * 200
    os.makedirs(path, exist_ok=True)
    path += "/" + "s" * (length - len(path) - 1)
    assert len(path) == length
    return path


def talk_through(address, kind="stream"):
    with sockets.listen(address, kind=kind) as listener, sockets.connect(address, kind=kind, timeout=WAIT) as client:
        with listener.accept(timeout=WAIT) as server:
            client.send(b"ping", timeout=WAIT)
            assert server.receive(10, timeout=WAIT).data == b"ping"


@pytest.mark.parametrize("length", [107, 108, 109, 150, 400, 2000])
@pytest.mark.parametrize("kind", ["stream", "seqpacket"])
def test_U03_a_path_may_have_any_length(tmp_path, length, kind):
    path = path_of_length(tmp_path, length)
    talk_through(path, kind)
    os.unlink(path)


def test_U03_a_file_name_may_be_as_long_as_the_file_system_allows(tmp_path):
    path = tmp_path / ("n" * 255)
    with sockets.listen(path) as listener:
        talk = sockets.connect(path, timeout=WAIT)
        talk.close()
        assert os.listdir(tmp_path) == ["n" * 255], "no helper name is left behind"
        listener.remove()
    assert os.listdir(tmp_path) == []


def test_U03_a_name_beyond_the_file_systems_limit_is_refused_with_its_name(tmp_path):
    path = str(tmp_path / ("n" * 256))
    with pytest.raises(OSError) as refused:
        sockets.listen(path)
    assert refused.value.errno == errno.ENAMETOOLONG
    assert refused.value.filename is not None
    assert os.listdir(tmp_path) == []
    with pytest.raises(OSError) as refused:
        sockets.connect(path, timeout=WAIT)
    assert refused.value.errno == errno.ENAMETOOLONG
    assert refused.value.filename == path


def test_U03_a_long_path_takes_datagrams_too(tmp_path):
    path = path_of_length(tmp_path, 300)
    with sockets.bind(path) as inbox, sockets.bind("") as outbox:
        outbox.send_to(b"far", path, timeout=WAIT)
        assert inbox.receive_from(10, timeout=WAIT).data == b"far"
        inbox.remove()


def test_U03_the_kernel_takes_all_108_bytes_without_a_nul(tmp_path):
    """The standard library stops at 107: our listener's name is exactly sun_path."""
    path = path_of_length(tmp_path, 108)
    with sockets.listen(path) as listener:
        assert str(listener.address) == path
        with sockets.connect(path, timeout=WAIT) as client:
            assert client.peer_address == Address(path=path), "the kernel kept every byte"


def test_a_listener_is_known_by_the_path_it_was_given(tmp_path):
    """What the peer and `ss` see is the path, not our way of binding it."""
    path = str(tmp_path / "s")
    with sockets.listen(path) as listener:
        with sockets.connect(path, timeout=WAIT) as client:
            assert client.peer_address == Address(path=path)
        with sockets.Listener(listener.dup().detach()) as copy:
            assert copy.address == Address(path=path)
        with open("/proc/net/unix", errors="surrogateescape") as lines:
            assert any(line.endswith(f" {path}\n") for line in lines)


def test_a_relative_path_is_relative_to_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    talk_through("here")
    assert os.listdir(tmp_path) == ["here"]


def test_a_pathlike_that_begins_with_an_at_sign_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    talk_through(pathlib.Path("@file"))
    assert os.listdir(tmp_path) == ["@file"]


def test_U15_an_abstract_name_has_no_file_and_goes_with_the_socket():
    name = f"@unixipc-test-{os.getpid()}"
    with sockets.listen(name) as listener:
        assert not os.path.exists(name)
        with sockets.connect(name, timeout=WAIT) as client, listener.accept(timeout=WAIT):
            assert str(client.peer_address) == name
    with pytest.raises(ConnectionRefusedError) as refused:
        sockets.connect(name, timeout=WAIT)
    assert refused.value.filename == name


def test_U15_an_abstract_name_may_hold_nul_bytes():
    name = b"\0unixipc\0" + str(os.getpid()).encode()
    with sockets.listen(name) as listener, sockets.connect(name, timeout=WAIT) as client:
        assert listener.address == client.peer_address == Address(abstract=name[1:])


def test_U15_an_empty_address_lets_the_kernel_choose_five_hex_digits():
    with sockets.listen("") as listener:
        assert re.fullmatch(r"@[0-9a-f]{5}", str(listener.address))
        with sockets.connect(listener.address, timeout=WAIT), listener.accept(timeout=WAIT):
            pass


def test_U15_the_same_abstract_name_twice_is_address_in_use():
    name = f"@unixipc-twice-{os.getpid()}"
    with sockets.listen(name), pytest.raises(OSError) as refused:
        sockets.listen(name)
    assert refused.value.errno == errno.EADDRINUSE
    assert refused.value.filename == name


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/a/b", Address(path="/a/b")),
        (pathlib.Path("/a/b"), Address(path="/a/b")),
        (b"/a/b", Address(path="/a/b")),
        ("@x", Address(abstract=b"x")),
        (b"\0x", Address(abstract=b"x")),
        ("\0x", Address(abstract=b"x")),
        ("", Address()),
        (Address(path="p"), Address(path="p")),
    ],
)
def test_every_form_of_an_address_is_understood(given, expected):
    assert parse(given) == expected


@pytest.mark.parametrize("bad", ["/a\0b", b"/a\0b", "@" + "x" * 108, b"\0" + b"x" * 108])
def test_a_bad_address_is_a_value_error_that_shows_it(bad):
    with pytest.raises(ValueError, match=r"NUL|107"):
        parse(bad)


@pytest.mark.parametrize("bad", [5, None, 1.5])
def test_something_else_is_a_type_error(bad):
    with pytest.raises(TypeError):
        parse(bad)


def test_a_path_that_names_a_folder_is_refused(tmp_path):
    with pytest.raises(ValueError, match="folder"):
        sockets.listen(f"{tmp_path}/")


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as refused:
        sockets.listen(tmp_path / "missing" / "s")
    assert refused.value.filename == str(tmp_path / "missing")
    assert refused.value.errno == errno.ENOENT
    assert "open(2)" in refused.value.__notes__[0]


def test_an_address_reads_as_it_is_written():
    assert [str(parse(text)) for text in ("/a/b", "@x", "")] == ["/a/b", "@x", ""]
