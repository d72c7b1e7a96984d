"""ganntk.config: defaults < YAML < overrides, and one sentence for every mistake."""

import pytest
import yaml

from ganntk import config
from ganntk.config import RunConfig
from ganntk.errors import InputError
from ganntk.kernels import Dense, Flatten, Named, Network
from ganntk.lam import Fixed, Searched
from ganntk.levels import Level


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "run.yaml"
    path.write_text("kernel: fnn\nlam: 2.5\nsteps: 7\ndata: {type: digits, size: 5}\n")
    return str(path)


def test_defaults_give_way_to_the_file_and_the_file_to_overrides(file):
    loaded = config.load(file, ["--steps", "9", "--data.seed", "3"])
    assert (loaded.kernel, loaded.lam) == (Named("fnn"), Fixed(2.5))
    assert loaded.steps == 9
    assert (loaded.data.size, loaded.data.seed) == (5, 3)
    assert loaded.objective == RunConfig().objective


def test_a_dumped_configuration_loads_as_itself(tmp_path, file):
    loaded = config.load(file, ["--optimizer.arguments.b1", "0.5", "--data.classes", "[1, 2]"])
    path = tmp_path / "again.yaml"
    path.write_text(config.dump(loaded))
    assert config.load(str(path)) == loaded


def test_an_override_of_the_type_replaces_the_whole_part(file):
    assert config.load(file, ["--lam", "auto"]).lam == Searched()
    overrides = ["--lam.type", "searched", "--lam.error", "0.01"]
    assert config.load(file, overrides).lam == Searched(0.01)
    assert config.load(file, overrides[2:] + overrides[:2]).lam == Searched(0.01)
    assert config.load(None, ["--lam.value", "3"]).lam == Fixed(3)


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "0.001", ".001"])
def test_numbers_are_read_however_they_are_written(text):
    assert config.load(None, ["--lam", text]).lam == Fixed(0.001)
    assert config.load(None, [f"--optimizer.learning_rate={text}"]).optimizer.learning_rate == 0.001


def test_hyphens_stand_for_underscores():
    assert config.load(None, ["--report-every", "3"]).report_every == 3


def test_layers_can_be_written_out():
    text = "{type: network, layers: [{type: flatten}, {type: dense, bias_variance: 0.0}]}"
    loaded = config.load(None, ["--kernel", text])
    assert loaded.kernel == Network((Flatten(), Dense(bias_variance=0.0)))


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["--stepss", "3"], ["unknown key 'stepss'", "steps"]),
        (["--kernel.nam", "fnn"], ["unknown key 'kernel.nam'", "kernel.name"]),
        (["--steps", "many"], ["steps", "many", "int"]),
        (["--data.size", "1.5"], ["data.size", "1.5", "int"]),
        (["--kernel", "cnn-minst"], ["unknown kernel 'cnn-minst'", "cnn-mnist"]),
        (["--data.type", "digit"], ["unknown data source 'digit'", "digits"]),
        (["--objective.type", "square_error"], ["unknown objective", "squared_error"]),
        (["--points.start", "gauss"], ["points.start", "gauss", "uniform, normal"]),
        (["--precision", "float16"], ["precision", "float16", "float32"]),
        (["--steps", "0"], ["steps is 0", "at least 1"]),
        (["--seed", "-1"], ["seed is -1"]),
        (["--lam", "-1"], ["lam is -1", "at least 0"]),
        (["--lam", "often"], ["lam is 'often'", "auto"]),
        (["--lam.error", "0.7", "--lam.type", "searched"], ["lam.error is 0.7"]),
        (["--data", "5"], ["data is 5", "keys with values"]),
        (["--steps"], ["option --steps has no value"]),
        (["steps", "3"], ["'steps' stands where an option was expected"]),
        (["--kernel.type", "network", "--kernel.layers", "[{type: dense}]"], ["flatten"]),
    ],
)
def test_a_mistake_gets_one_sentence_that_names_it(words, parts):
    with pytest.raises(InputError) as caught:
        config.load(None, words)
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert all(part in sentence for part in parts), sentence


def test_a_missing_or_broken_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.yaml"):
        config.load(str(tmp_path / "nowhere.yaml"))
    for text in ("a: [1", "- 1\n- 2\n"):
        path = tmp_path / "broken.yaml"
        path.write_text(text)
        with pytest.raises(InputError, match=r"broken\.yaml"):
            config.load(str(path))


def test_the_fingerprint_is_of_what_decides_the_numbers():
    base = config.fingerprint(RunConfig())
    assert config.fingerprint(config.load(None, ["--run_uri", "elsewhere"])) == base
    assert config.fingerprint(config.load(None, ["--cluster.address", "auto"])) == base
    assert config.fingerprint(config.load(None, ["--seed", "1"])) != base
    assert config.fingerprint(config.load(None, ["--kernel", "fnn"])) != base


SHIPPED = {
    "digits": None,
    "mnist": "--data.uri",
    "mnist_warped": "--data.of.uri",
    "mixture25": None,
    "generator_mnist": "--data.uri",
    "faces_multires": "--data.uri",
    "celeba_hq_multires": "--data.uri",
    "latent_mnist": "--data.of.uri",
}


def test_every_shipped_configuration_is_known(request):
    folder = request.config.rootpath / "configs"
    assert {path.stem for path in folder.glob("*.yaml")} == set(SHIPPED)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_configuration_loads(name, request):
    path = request.config.rootpath / "configs" / f"{name}.yaml"
    assert set(yaml.safe_load(path.read_text())) <= set(yaml.safe_load(config.dump(RunConfig())))
    place = SHIPPED[name]
    config.load(str(path), [place, "somewhere"] if place else [])


LEVELS = "[{side: 8, kernel: cnn-small, lam: auto}, {side: 4, lam: 5, solver: lanczos}]"


def test_levels_take_shorthands_and_come_back_from_their_dump():
    loaded = config.load(None, ["--levels", LEVELS])
    fine, coarse = loaded.levels
    assert fine == Level(8, Named("cnn-small"), Searched())
    assert coarse == Level(4, None, Fixed(5), "lanczos")
    assert config.decode(yaml.safe_load(config.dump(loaded))) == loaded
    assert config.fingerprint(loaded) != config.fingerprint(RunConfig())
    assert config.load(None, ["--levels", "[]"]) == RunConfig()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--levels", "[{sid: 8}]"], "unknown key 'levels.0.sid'"),
        (["--levels", "[{side: 8, kernel: cnn}, {side: 8}]"], "expected each of them once"),
        (["--levels", LEVELS, "--cluster.workers", "2"], "cluster.workers is 2"),
        (["--levels", LEVELS, "--coupling.type", "batchwise"], "this coupling draws batches"),
    ],
)
def test_levels_that_a_run_cannot_have_are_refused(words, sentence):
    with pytest.raises(InputError, match=sentence):
        config.load(None, words)
