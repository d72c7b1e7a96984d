import numpy as np
import pytest

from ganntk.data.celeba import CelebA, read_attributes
from ganntk.errors import InputError
from tests.data import drawn, real

TABLE = "2\nBald Male\na.jpg -1  1\nb.jpg  1 -1\n"


@pytest.fixture
def faces(tmp_path):
    return drawn.celeba(tmp_path)


def test_all_faces_are_colour_rows(faces):
    data = CelebA(uri=faces).load()
    assert data.rows.shape == (8, 12, 10, 3)
    assert sorted(drawn.numbers(data.rows)) == list(range(8))
    assert data.labels is None


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("Male", [1, 3, 5, 7]),
        ("Male & Bald", [5, 7]),
        ("~Male & ~Bald", [0, 2]),
        ("5_o_Clock_Shadow | Male & Bald", [0, 5, 7]),
    ],
)
def test_faces_are_chosen_by_attributes(faces, where, expected):
    assert sorted(drawn.numbers(CelebA(uri=faces, where=where).load().rows)) == expected


def test_size_and_seed_choose_among_those_that_fit(faces):
    found = [CelebA(uri=faces, where="Male", size=2, seed=seed).load().rows for seed in range(9)]
    assert {len(rows) for rows in found} == {2}
    assert {number for rows in found for number in drawn.numbers(rows)} == {1, 3, 5, 7}


def test_the_file_with_commas_is_read(faces, tmp_path):
    table = tmp_path / "Anno" / "list_attr_celeba.txt"
    lines = [",".join(line.split()) for line in table.read_text().splitlines()[1:]]
    table.unlink()
    lines[0] = "image_id," + lines[0]
    (tmp_path / "list_attr_celeba.csv").write_text("\n".join(lines))
    assert len(CelebA(uri=faces, where="Male").load().rows) == 4


def test_without_attributes_faces_can_be_used_but_not_chosen(faces, tmp_path):
    (tmp_path / "Anno" / "list_attr_celeba.txt").unlink()
    assert len(CelebA(uri=faces).load().rows) == 8
    with pytest.raises(InputError, match=r"holds no list_attr_celeba\.txt"):
        CelebA(uri=faces, where="Male").load()


def test_pictures_that_are_not_there_are_left_out(faces, tmp_path, caplog):
    (tmp_path / "img_align_celeba" / "000001.jpg").unlink()
    assert sorted(drawn.numbers(CelebA(uri=faces, where="Male").load().rows)) == [3, 5, 7]
    assert "1 pictures of" in caplog.text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"uri": None}, "has no uri"),
        ({"where": "Mael"}, "unknown attribute 'Mael': did you mean Male"),
        ({"where": "Male & ~Male"}, r"no row of 8 of CelebA at /.* fits .Male & ~Male."),
        ({"where": "5_o_Clock_Shadow"}, "one row only"),
        ({"where": "Male &"}, "a name is missing at its end"),
        ({"classes": (1,)}, "the data has no labels"),
        ({"size": 5, "where": "Male"}, r"CelebA at /.*: 5 rows were asked for and there are 4"),
    ],
)
def test_what_cannot_be_chosen_says_why(faces, options, sentence):
    with pytest.raises(InputError, match=sentence):
        CelebA(**{"uri": faces, **options}).load()


def test_a_folder_without_faces_says_what_is_missing(tmp_path):
    with pytest.raises(InputError, match="holds no img_align_celeba"):
        CelebA(uri=str(tmp_path)).load()


def test_a_picture_without_a_line_is_named(faces, tmp_path):
    drawn.write(tmp_path / "img_align_celeba" / "000100.jpg", 3)
    with pytest.raises(InputError, match=r"no line for 1 of 9 pictures, the first is 000100\.jpg"):
        CelebA(uri=faces).load()


def test_attributes_come_back():
    found = read_attributes(TABLE, name="x")
    assert (found.files, found.names) == (["a.jpg", "b.jpg"], ["Bald", "Male"])
    np.testing.assert_array_equal(found.holds, [[False, True], [True, False]])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "names no attributes"),
        ("2\n", "names no attributes"),
        (TABLE.replace("-1  1", "1"), "line 3 of x has 1 values for 2 attributes: a column is"),
        (TABLE.replace("Bald ", ""), "line 3 of x has 2 values for 1 attributes"),
        (TABLE[:-13], "promises 2 pictures and has 1 lines"),
        (TABLE.replace("-1  1", "-1  7"), "holds '7' where 1 or -1"),
    ],
)
def test_a_damaged_attribute_file_is_refused(text, sentence):
    with pytest.raises(InputError, match=sentence):
        read_attributes(text, name="x")


@real.needs("celeba")
def test_the_real_faces_with_straight_hair_are_counted():
    source = CelebA(uri=real.uri("celeba"), where="Male & Straight_Hair", side=64, crop="148x148")
    found = source.contents()
    assert found.count == 1164
    assert len(found.attributes) == 40
    data = source.load()
    assert data.rows.shape == (263, 64, 64, 3)
    # Skin: red above green above blue, which the other order of channels turns round.
    red, green, blue = data.rows[:, 24:40, 24:40].mean(axis=(0, 1, 2))
    assert red > green + 0.1 > blue + 0.1


@real.needs("celeba")
def test_every_attribute_of_the_real_file_can_be_asked_for():
    found = CelebA(uri=real.uri("celeba"), where="5_o_Clock_Shadow & ~Young").contents()
    assert all(0 < mask.sum() < found.count for mask in found.attributes.values())
