"""Keys: Q01 and truths S18, S20. A key is 32 bits, and ftok finds them less unique than they look."""

import ctypes
import errno
import os
import pickle

import pytest

from unixipc.sysv import Key

libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "file"
    file.touch()
    return file


def c_ftok(path, id):
    return Key(libc.ftok(os.fsencode(path), id))


def test_Q01_ftok_is_made_of_inode_device_and_id(path):
    found = os.stat(path)
    assert Key.ftok(path, 7) == (found.st_ino & 0xFFFF) | (found.st_dev & 0xFF) << 16 | 7 << 24


@pytest.mark.parametrize("id", [1, 66, 127, 128, 255])
@pytest.mark.parametrize("kind", ["file", "folder", "device"])
def test_Q01_it_is_the_key_that_c_gets(path, id, kind):
    place = {"file": path, "folder": path.parent, "device": "/dev/null"}[kind]
    assert Key.ftok(place, id) == c_ftok(place, id)


def test_Q01_the_id_may_be_a_character(path):
    assert Key.ftok(path, "B") == Key.ftok(str(path), 66) == c_ftok(path, 66)


def test_S20_in_c_ids_collide_that_differ_in_more_than_8_bits(path):
    assert c_ftok(path, 1) == c_ftok(path, 257) == c_ftok(path, -255)


@pytest.mark.parametrize("id", [0, 256, 257, -1, -255, "", "AB", "\0", "\N{EURO SIGN}", 1.0, None, b"A"])
def test_S20_so_ours_takes_8_bits_and_no_0(path, id):
    with pytest.raises(ValueError, match=r"1\.\.255"):
        Key.ftok(path, id)


def test_S20_hard_links_share_a_key(path):
    os.link(path, path.with_name("link"))
    assert Key.ftok(path, 1) == Key.ftok(path.with_name("link"), 1)


def test_S20_a_file_that_was_made_again_has_another_key(path):
    before = Key.ftok(path, 1)
    again = path.with_name("again")
    again.touch()
    os.replace(again, path)
    assert Key.ftok(path, 1) != before


def test_Q01_a_missing_file_is_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError) as refused:
        Key.ftok(tmp_path / "none", 1)
    assert (refused.value.errno, refused.value.filename) == (errno.ENOENT, str(tmp_path / "none"))
    assert refused.value.__notes__[0].startswith("ftok(3)")


def test_Q01_a_key_remembers_its_file(path):
    assert Key.ftok(path, 1).path == str(path)
    assert Key(5).path is None


@pytest.mark.parametrize("number", [0, 1, 2**31 - 1, 2**31, 2**32 - 1, -1, -(2**31)])
def test_S18_every_number_of_32_bits_is_a_key(number):
    key = Key(number)
    assert key == number % 2**32
    assert key.signed == ctypes.c_int(number).value
    assert Key(key.signed) == key


@pytest.mark.parametrize("number", [2**32, -(2**31) - 1, 2**64])
def test_S18_more_than_32_bits_are_none(number):
    with pytest.raises(ValueError, match="32 bits"):
        Key(number)


@pytest.mark.parametrize("number", ["1", 1.5, None])
def test_S18_a_key_is_an_integer(number):
    with pytest.raises(TypeError):
        Key(number)


def test_a_key_shows_itself_as_ipcs_does():
    assert repr(Key(0x4B1D)) == str(Key(0x4B1D)) == "Key(0x00004b1d)"
    assert repr(Key(-1)) == "Key(0xffffffff)"
    assert repr(Key(0)) == repr(Key.PRIVATE) == "Key.PRIVATE"


def test_a_key_can_be_pickled_with_its_file(path):
    key = Key.ftok(path, 200)
    again = pickle.loads(pickle.dumps(key))
    assert (again, type(again), again.path) == (key, Key, str(path))


def test_S20_random_keys_are_never_private_and_differ():
    keys = {Key.random() for _ in range(1000)}
    assert Key.PRIVATE not in keys
    assert len(keys) >= 998, "of 2**32: two equal ones are rare enough"
