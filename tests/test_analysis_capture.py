"""The table of counts that estimates start from."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from amparo.analysis.capture import BadCaptureTable, CaptureTable

_MEMBERS = st.lists(st.frozensets(st.integers(0, 3)), max_size=40)


@given(_MEMBERS)
def test_counts_add_up_to_the_persons_on_any_list(members: list[frozenset[int]]) -> None:
    """Whoever stands on a list is counted once, in the cell of their own pattern."""
    table = CaptureTable.of_members("ABCD", members)
    assert table.observed == sum(1 for one in members if one)
    full = table.full()
    for one in members:
        if one:
            assert full[sum(1 << j for j in one)] == members.count(one)


@given(_MEMBERS)
def test_leaving_a_list_out_is_never_having_made_it(members: list[frozenset[int]]) -> None:
    """A table without a list equals the table counted from the other lists alone."""
    shorter = CaptureTable.of_members("ABCD", members).without("B")
    again = CaptureTable.of_members("ACD", [frozenset({0: 0, 2: 1, 3: 2}[j] for j in one if j != 1) for one in members])
    assert shorter.lists == again.lists and np.array_equal(shorter.full(), again.full())


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "row 1"), ("a,b\n1,1", "row 1"), ("a,b,Freq\n1,2,3", "row 2"), ("a,b,Freq\n1,0,-3", "row 2"),
        ("a,b,Freq\n0,0,3", "row 2"), ("a,b,Freq\n1,0,3\n1,0", "row 3"), ("a,a,Freq\n1,0,3", "lists"),
        ("a,b,Freq\n1,0,99999999999999", "row 2"), ("a,b,Freq\n1,0,²", "row 2"),
    ],
)  # fmt: skip
def test_a_broken_table_is_refused_with_its_row(text: str, where: str) -> None:
    """Every malformed table gets one sentence that names the row."""
    with pytest.raises(BadCaptureTable, match=where):
        CaptureTable.read(text.splitlines())
