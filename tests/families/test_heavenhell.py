"""Heaven and hell."""

from family_models import after, observations_in, problem, reward
from pomdptool.families.heavenhell import heavenhell


def test_heavenhell_is_its_problem_file() -> None:
    model = heavenhell()
    assert (model.n_states, model.n_actions, model.n_observations) == (20, 4, 11)
    assert model.equals(problem("heaven-hell"))


def test_heavenhell_steps() -> None:
    model = heavenhell(3)
    assert (model.n_states, model.n_observations) == (28, 15)
    here = "heaven-west_stem-0"
    for action in ["south", "east", "east", "east"]:
        ((here, _),) = after(model, here, action).items()
    assert here == "heaven-west_path-3"
    assert observations_in(model, here, "east") == {"priest-west": 1.0}
    for action in ["west"] * 3 + ["north"] * 4 + ["west"] * 3:
        assert reward(model, here, action) == 0.0
        ((here, _),) = after(model, here, action).items()
    assert here == "heaven-west_west-3"
    assert observations_in(model, here, "west") == {"west-3": 1.0}
    assert reward(model, here, "west") == 1.0
    assert reward(model, "heaven-west_east-3", "north") == -1.0
    assert after(model, here, "north") == {"heaven-west_stem-0": 0.5, "heaven-east_stem-0": 0.5}
    assert after(model, "heaven-east_stem-1", "west") == {"heaven-east_stem-1": 1.0}
