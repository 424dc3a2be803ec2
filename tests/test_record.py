"""Frozen records: what a dataclass(frozen=True, slots=True) would give, without its import."""

import copy
import pickle

import pytest

from unixipc import Continued, Exited, Killed
from unixipc._record import record
from unixipc.sockets import Address


@record
class Point:
    """A place."""

    x: int
    y: int = 7

    @property
    def total(self):
        return self.x + self.y


def test_values_by_place_by_name_and_by_default():
    assert (Point(1).x, Point(1).y, Point(1, 2).y, Point(y=3, x=4).x) == (1, 7, 2, 4)
    assert Point(1, 2).total == 3
    assert Point.__doc__ == "A place."


@pytest.mark.parametrize(
    "make",
    [lambda: Point(), lambda: Point(1, 2, 3), lambda: Point(1, x=2), lambda: Point(1, z=2), lambda: Continued(1)],
)
def test_missing_doubled_or_unknown_values_are_a_type_error(make):
    with pytest.raises(TypeError):
        make()


def test_nothing_can_be_changed_added_or_deleted():
    point = Point(1)
    for change in (lambda: setattr(point, "x", 2), lambda: setattr(point, "z", 2), lambda: delattr(point, "x")):
        with pytest.raises(AttributeError):
            change()
    assert point == Point(1, 7)


def test_equality_and_hash_go_by_class_and_values():
    assert Exited(9) == Exited(9) != Exited(8)
    assert Exited(9) != Killed(9)
    assert Exited(9) != 9
    assert len({Exited(1), Exited(1), Exited(2), Killed(1)}) == 3


def test_it_shows_how_to_make_it():
    assert repr(Killed(9, core=True)) == "Killed(signal=9, core=True)"
    assert eval(repr(Point(3))) == Point(3)
    assert repr(Continued()) == "Continued()"


def test_it_can_be_matched_copied_and_pickled():
    match Killed(9):
        case Killed(signal, core):
            assert (signal, core) == (9, False)
    for same in (copy.copy, copy.deepcopy, lambda it: pickle.loads(pickle.dumps(it))):
        assert same(Address(path="/a")) == Address(path="/a")


def test_it_gives_its_values_by_name():
    assert Point(1)._asdict() == {"x": 1, "y": 7}
