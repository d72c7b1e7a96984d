import pytest

from ganntk.data.imagenet import ImageNet
from ganntk.errors import InputError
from tests.data import drawn, real


@pytest.fixture
def root(tmp_path):
    return drawn.imagenet(tmp_path)


@pytest.mark.parametrize("wanted", ["daisy", "n2", 985, "985"])
def test_a_class_is_given_by_name_id_or_number(root, wanted):
    data = ImageNet(uri=root, classes=(wanted,)).load()
    assert sorted(drawn.numbers(data.rows)) == [0, 1, 2]
    assert data.labels is not None
    assert data.labels.tolist() == [985] * 3


def test_without_classes_all_of_them_are_taken(root):
    found = ImageNet(uri=root).contents()
    assert found.count == 7
    assert found.labels is not None
    assert sorted(found.labels.tolist()) == [134] * 2 + [517] * 2 + [985] * 3


def test_the_folder_of_classes_itself_can_be_given(root):
    train = f"{root}/ILSVRC/Data/CLS-LOC/train"
    data = ImageNet(uri=train, classes=("n2",)).load()
    assert len(data.rows) == 3
    assert data.labels is not None
    assert data.labels.tolist() == [1] * 3
    index = f"{root}/imagenet_class_index.json"
    assert len(ImageNet(uri=train, classes=("daisy",), index_uri=index).load().rows) == 3


def test_folders_of_other_classes_are_not_looked_at(root, tmp_path):
    broken = tmp_path / "ILSVRC/Data/CLS-LOC/train/n1/n1_0.JPEG"
    broken.write_bytes(b"")
    assert len(ImageNet(uri=root, classes=("daisy",)).load().rows) == 3
    with pytest.raises(InputError, match=f"{broken} is an empty file"):
        ImageNet(uri=root, classes=("n1",)).load()


def test_small_pictures_are_colour(root, tmp_path):
    drawn.write(tmp_path / "ILSVRC/Data/CLS-LOC/train/n2/grey.JPEG", 3, channels=1)
    assert ImageNet(uri=root, classes=("daisy",)).load().rows.shape == (4, 12, 10, 3)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"uri": None}, "has no uri"),
        ({"classes": ("dasy",)}, "unknown class 'dasy': did you mean daisy"),
        ({"classes": ("crane",)}, "2 classes are called 'crane': give an id, n1, n3"),
        ({"index_uri": "memory://imagenet/none"}, "no file at memory://imagenet/none"),
    ],
)
def test_what_cannot_be_used_says_why(root, options, sentence):
    with pytest.raises(InputError, match=sentence):
        ImageNet(**{"uri": root, **options}).load()


def test_a_class_without_a_folder_is_named(root, tmp_path):
    (tmp_path / "imagenet_class_index.json").write_text('{"3": ["n9", "tench"]}')
    with pytest.raises(InputError, match=r"there is no folder n9 \(tench\)"):
        ImageNet(uri=root, classes=("tench",)).load()


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}', '{"985": "daisy, or so"}'])
def test_an_index_of_another_kind_is_refused(root, tmp_path, text):
    (tmp_path / "imagenet_class_index.json").write_text(text)
    with pytest.raises(InputError, match="is no class index"):
        ImageNet(uri=root).load()


def test_a_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(InputError, match="there are no folders of classes in"):
        ImageNet(uri=str(tmp_path)).load()


@real.needs("imagenet")
@pytest.mark.parametrize("wanted", ["daisy", "n11939491", 985])
def test_the_real_daisies_are_counted(wanted):
    found = ImageNet(uri=real.uri("imagenet"), classes=(wanted,)).contents()
    assert found.count == 400
    rows = ImageNet(uri=real.uri("imagenet"), classes=(wanted,), size=20, side=128).load().rows
    assert rows.shape == (20, 128, 128, 3)
