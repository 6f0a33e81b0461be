"""The tiger family."""

import pytest

from family_models import after, observations_in, problem, reward, same_model
from pomdptool.families.tiger import tiger


def test_tiger_of_two_doors_is_the_tiger() -> None:
    same_model(tiger(), problem("tiger"), atol=1e-16)
    assert tiger().states == problem("tiger").states
    assert tiger().actions == problem("tiger").actions
    assert tiger().observations == problem("tiger").observations == ("hear-left", "hear-right")


def test_tiger_of_many_doors() -> None:
    model = tiger(4, 0.7, listening=-2.0, treasure=5.0, eaten=-50.0)
    assert (model.n_states, model.n_actions, model.n_observations) == (4, 5, 4)
    assert after(model, "tiger-3", "listen") == {"tiger-3": 1.0}
    assert after(model, "tiger-3", "open-1") == dict.fromkeys(model.states, 0.25)
    assert observations_in(model, "tiger-3", "open-2") == dict.fromkeys(model.observations, 0.25)
    heard = observations_in(model, "tiger-3", "listen")
    assert heard.pop("hear-3") == 0.7
    assert list(heard.values()) == pytest.approx([0.1] * 3)
    assert reward(model, "tiger-3", "listen") == -2.0
    assert [reward(model, "tiger-3", f"open-{i}") for i in (1, 2, 3, 4)] == [5, 5, -50, 5]
