"""What functions of arrays take: the laws of the checks, and what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from facetwise.core.arrays import answers, classes, count, flags, number, numbers, taken, takes

DTYPES = st.sampled_from([bool, np.int8, np.int64, np.uint64, np.float32, np.float64, np.complex128, "U3", object])
ANYTHING = DTYPES.flatmap(lambda kind: arrays.arrays(kind, arrays.array_shapes(min_dims=0, max_dims=3, min_side=0)))


@takes(size=count(), first=classes("n"), second=answers("n k", below="size"), share=number(0, 1))
def two(first, second=None, *, size=2, share=0.5):
    return first, second, size, share


def accepted(check, value) -> bool:
    try:
        found = takes(value=check)(lambda value: value)(value)
    except ValueError:
        return False
    np.testing.assert_array_equal(found, value)  # what is taken is not changed
    return True


@given(ANYTHING)
def test_only_the_kind_and_shape_that_are_asked_for_are_taken_and_nothing_is_cast(array):
    empty = array.dtype.kind == "f" and not array.size  # as that of an empty list
    whole, row = array.dtype.kind in "iu" or empty, array.ndim == 1
    fits = not array.size or array.dtype.kind not in "iu" or array.max() <= np.iinfo(np.int64).max
    assert accepted(classes("n"), array) == (row and whole and fits and not (array.size and array.min() < 0))
    assert accepted(answers("n"), array) == (row and whole and fits and not (array.size and array.min() < -1))
    assert accepted(flags("n"), array) == (row and (array.dtype.kind == "b" or empty))
    real = array.dtype.kind in "iuf"
    assert accepted(numbers("n", missing=True), array) == (row and real)
    unknown = array.dtype.kind == "f" and np.isnan(array).any()
    assert accepted(numbers("..."), array) == (real and not unknown)


@given(st.integers(0, 6), st.lists(st.integers(-2, 8)), st.lists(st.booleans()))
def test_rows_are_a_mask_of_all_or_positions_among_them(size, positions, mask):
    assert accepted_rows(np.array(positions, int), size) == all(0 <= p < size for p in positions)
    assert accepted_rows(np.array(mask, bool), size) == (len(mask) == size or not mask)


def accepted_rows(rows, size) -> bool:
    try:
        found = taken(rows, size)
    except ValueError:
        return False
    np.testing.assert_array_equal(np.arange(size)[found], np.arange(size)[rows])
    return True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"first": [0.0, 1.0]},
            r"`first` must be class numbers \(integers\) of shape \(n\), got float64 of .*, 0.0 to",
        ),
        ({"first": [[0, 1]]}, r"of shape \(n\), got int64 of shape \(1, 2\)"),
        ({"first": [0, 1], "second": [[0]]}, r"`second` .* of shape \(n k\) with n = 2, got int64 of shape \(1, 1\)"),
        ({"first": [0], "size": 3, "second": [[3]]}, "`second` must be class numbers 0 to 2, or -1 for none, got"),
        ({"first": [0], "size": 2.0}, "`size` must be a whole number, 1 or more, got 2.0"),
        ({"first": [0], "size": True}, "got True"),
        ({"first": [0], "share": 1}, "`share` must be a number above 0 and below 1, got 1"),
        ({"first": None}, "`first` must be .* got None"),
    ],
)
def test_the_message_names_the_argument_what_was_expected_and_what_came(arguments, message):
    with pytest.raises(ValueError, match=message):
        two(**arguments)


def test_truth_values_among_numbers_are_no_numbers():
    for value in ([True, 2], [[0, 1], [False, 1]], (1.5, True)):
        for check in (answers("..."), numbers("...")):
            assert not accepted(check, value)


def test_what_is_none_by_default_may_be_none_and_lists_become_arrays():
    first, second, size, _ = two([0, 1], None, size=np.int64(4))
    assert (first.dtype, second, size, type(size)) == (np.int64, None, 4, int)
