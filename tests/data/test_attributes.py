import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ganntk.data.attributes import fitting
from ganntk.errors import InputError

A, B, C = (np.array([bool(row & bit) for row in range(8)]) for bit in (4, 2, 1))
KNOWN = {"A": A, "B": B, "5_o_Clock": C}


@pytest.mark.parametrize(
    ("text", "mask"),
    [
        ("A", A),
        ("A & B", A & B),
        ("A&B|5_o_Clock", (A & B) | C),
        ("A|B&5_o_Clock", A | (B & C)),
        ("~A & B", ~A & B),
        ("~(A | B) & !5_o_Clock", ~(A | B) & ~C),
        ("not A and B or 5_o_Clock", (~A & B) | C),
        ("  ((A))  ", A),
        ("~~A", A),
    ],
)
def test_an_expression_is_what_python_says_of_it(text, mask):
    np.testing.assert_array_equal(fitting(text, KNOWN), mask)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "a name is missing at its end"),
        ("A &", "a name is missing at its end"),
        ("& A", "a name is missing before '&'"),
        ("A B", "'B' stands where & or | was expected"),
        ("(A", "a parenthesis is not closed"),
        ("A)", r"'\)' stands where"),
        ("A $ B", "'\\$' is no part of one"),
        ("~" * 500 + "A", "nested too deeply"),
        ("Ab", "unknown attribute 'Ab'"),
    ],
)
def test_a_wrong_expression_says_where(text, sentence):
    with pytest.raises(InputError, match=sentence):
        fitting(text, KNOWN)


def test_an_unknown_attribute_gets_the_nearest_names():
    with pytest.raises(InputError, match="did you mean 5_o_Clock"):
        fitting("5_o_Clok", KNOWN)


def test_data_without_attributes_say_so():
    with pytest.raises(InputError, match="the data has no attributes"):
        fitting("A", {})


expressions = st.recursive(
    st.sampled_from(list(KNOWN)),
    lambda inner: st.one_of(
        inner.map(lambda text: f"~({text})"),
        st.tuples(inner, st.sampled_from("&|"), inner).map(
            lambda parts: "({} {} {})".format(*parts)
        ),
    ),
)


@given(expressions)
def test_any_expression_agrees_with_python(text):
    python = eval(text.replace("5_o_Clock", "C"), {"A": A, "B": B, "C": C})
    np.testing.assert_array_equal(fitting(text, KNOWN), python)
