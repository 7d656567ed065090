import pytest

from keepwell.kernel.http.routing import Paths


def paths(*templates: str) -> Paths[str]:
    tree = Paths[str]()
    for template in templates:
        tree.add(template, template)
    return tree


@pytest.mark.parametrize(
    ("path", "template", "parameters"),
    [
        ("/v1/a", "/v1/a", {}),
        ("/v1/a/1", "/v1/a/{id}", {"id": "1"}),
        ("/v1/a/bulk", "/v1/a/bulk", {}),
        ("/v1/a/1/rows/x", "/v1/a/{id}/rows/{row}", {"id": "1", "row": "x"}),
        ("/v1/a/bulk/rows/x", "/v1/a/{id}/rows/{row}", {"id": "bulk", "row": "x"}),
        ("/v1/a/bulk/rows/all", "/v1/a/{id}/rows/all", {"id": "bulk"}),
        ("/v1/a/ ", "/v1/a/{id}", {"id": " "}),
        ("/", "/", {}),
    ],
)
def test_a_path_leads_to_the_most_fixed_template(path: str, template: str, parameters: dict[str, str]):
    tree = paths("/", "/v1/a", "/v1/a/{id}", "/v1/a/bulk", "/v1/a/{id}/rows/{row}", "/v1/a/{id}/rows/all")
    assert tree.find(path) == (template, parameters)


@pytest.mark.parametrize("path", ["", "/v1", "/v1/a/", "/v1//1", "/v1/a/1/", "/v1/a/1/rows", "//v1/a", "/v1/a/1/rows/x/y"])
def test_other_paths_lead_nowhere(path: str):
    assert paths("/v1/a", "/v1/a/{id}", "/v1/a/{id}/rows/{row}").find(path) is None


@pytest.mark.parametrize("template", ["/v1/a{id}", "/v1/{id:int}", "/v1/{ID}"])
def test_parameters_are_whole_segments(template: str):
    with pytest.raises(ValueError, match="whole segment"):
        paths(template)


def test_two_templates_for_one_path_are_a_mistake():
    with pytest.raises(ValueError, match="leads where another path leads"):
        paths("/v1/{id}", "/v1/{code}")
