"""Hostile forms and responses get a clear answer in bounded time and memory; nothing makes the validator fail."""

from collections.abc import Callable
from time import perf_counter
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from keepwell.domains.validation import FormRefused, check, compile_form
from tests.support.forms import form, item

Found = TypeVar("Found")
PATIENCE_S = 5.0
"""Far more than anything here takes; far less than what hangs takes."""
CORE = "http://hl7.org/fhir/StructureDefinition/"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"


def extended(url: str, **value: Any) -> dict[str, Any]:
    return {"extension": [{"url": url, **value}]}


def expression(text: str, url: str = SDC + "calculatedExpression", **more: Any) -> dict[str, Any]:
    return {"url": url, "valueExpression": {"language": "text/fhirpath", "expression": text, **more}}


def response(*items: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "QuestionnaireResponse", "status": "completed", "item": list(items)}


def answered(link_id: str, *values: Any, key: str = "valueString") -> dict[str, Any]:
    return {"linkId": link_id, "answer": [{key: value} for value in values]}


def in_time(work: Callable[[], Found]) -> Found:
    start = perf_counter()
    found = work()
    assert perf_counter() - start < PATIENCE_S
    return found


def refusal(resource: dict[str, Any]) -> set[str]:
    def compiled() -> set[str]:
        with pytest.raises(FormRefused) as caught:
            compile_form(resource)
        return {fault.code for fault in caught.value.faults}

    return in_time(compiled)


@pytest.mark.parametrize("pattern", ["(?=a)b", "(?<!a)b", r"(a)\1", "(a{1000}){1000}", "(", "a" * 1_001, "[[:nonsense:]]"])
def test_a_regular_expression_that_cannot_be_bounded_is_refused(pattern: str):
    assert refusal(form(item("a", **extended(CORE + "regex", valueString=pattern)))) == {"regex"}


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a|aa)+$", "(.*a){20}b", r"^(([a-z])+.)+[A-Z]([a-z])+$"])
def test_a_regular_expression_that_hangs_other_engines_is_harmless(pattern: str):
    compiled = compile_form(form(item("a", "text", **extended(CORE + "regex", valueString=pattern))))
    issues = in_time(lambda: check(compiled, response(answered("a", "a" * 100_000 + "!")), strict=True))
    assert [issue.code for issue in issues] == ["pattern"]


def test_too_many_regular_expressions_are_refused():
    items = [item(str(n), **extended(CORE + "regex", valueString=f"a{{{n % 900}}}{n}")) for n in range(250)]
    assert refusal(form(*items)) == {"limit"}


def test_a_form_of_a_million_items_is_refused():
    flat = [{"linkId": str(n), "type": "string"} for n in range(1_000_000)]
    assert refusal(form(*flat)) == {"limit"}
    nested = [item(str(g), "group", *({"linkId": f"{g}.{n}", "type": "string"} for n in range(1_000))) for g in range(1_000)]
    assert refusal(form(*nested)) == {"limit"}


def test_a_form_nested_too_deep_is_refused():
    inner = item("x")
    for level in range(50_000):
        inner = {"linkId": str(level), "type": "group", "item": [inner]}
    assert refusal(form(inner)) == {"limit"}


def when(question: str, operator: str = "=", **answer: Any) -> dict[str, Any]:
    return {"question": question, "operator": operator, **(answer or {"answerString": "x"})}


def test_items_that_wait_for_each_other_are_refused():
    ring = [item(str(n), enableWhen=[when(str((n + 1) % 5_000))]) for n in range(5_000)]
    assert refusal(form(*ring)) == {"enable-when-circle"}
    assert refusal(form(item("a", enableWhen=[when("a")]))) == {"enable-when-circle"}
    assert refusal(form(item("g", "group", item("in"), enableWhen=[when("in")]))) == {"enable-when-circle"}


def test_a_condition_on_nothing_is_refused():
    assert refusal(form(item("a", enableWhen=[when("nobody")]))) == {"enable-when-unknown"}


def test_two_items_of_one_name_are_refused():
    assert refusal(form(item("a"), item("a"))) == {"que-2"}


def test_a_long_chain_of_conditions_is_followed_to_its_end():
    chain = form(item("0"), *(item(str(n), enableWhen=[when(str(n - 1), "exists", answerBoolean=True)]) for n in range(1, 8_000)))
    compiled = in_time(lambda: compile_form(chain))
    whole = response(*(answered(str(n), "x") for n in range(8_000)))
    assert in_time(lambda: check(compiled, whole, strict=True)) == []
    headless = response(*(answered(str(n), "x") for n in range(1, 8_000)))
    issues = in_time(lambda: check(compiled, headless, strict=True))
    assert {issue.code for issue in issues} == {"disabled"}


def test_an_expression_longer_than_anyone_writes_is_refused():
    assert refusal(form({**item("a", "decimal"), "extension": [expression("1" + " + 1" * 5_000)]})) == {"limit"}


def test_expressions_that_are_too_much_together_are_refused():
    each = [{**item(str(n), "decimal"), "extension": [expression(f"{n}" + " + 1" * 2_000)]} for n in range(40)]
    assert refusal(form(*each)) == {"limit"}


EXPLOSIVE = [
    "repeat('x' & $this).count()",
    "(1|2|3|4|5|6|7|8|9).select((1|2|3|4|5|6|7|8|9)" + ".select((1|2|3|4|5|6|7|8|9)" * 8 + ")" * 9 + ".count()",
    "%resource.descendants().select(%resource.descendants().select(%resource.descendants())).count()",
    "%resource.descendants().select(" * 10 + "%resource.descendants()" + ")" * 10,
    "(1 | 2 | 3 | 4).combine(1).aggregate($total.combine($total).combine($total), 1 | 2).count()" + ".combine(1)" * 500,
    "('aaaaaaaaaa')" + ".replace('', 'aaaaaaaaaa')" * 200,
    "'a'" + ".replaceMatches('', 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa')" * 100,
    "('a' | 'b').repeat($this + $this)",
    "9.power(999).power(999).power(999)",
    "2 * " * 2_000 + "2",
    "(1|2|3|4|5|6|7|8|9|10).aggregate($total * $total * $total * 999, 999)",
    "1.exp().exp().exp().exp().exp()",
    "@2020-01-01 + 999999999 years",
    "'a'.toChars()" + ".select($this | $this)" * 300,
]


@pytest.mark.parametrize("text", EXPLOSIVE, ids=range(len(EXPLOSIVE)))
def test_an_expression_that_explodes_ends_and_is_named(text: str):
    resource = form({**item("a", "decimal"), "extension": [expression(text)]}, *(item(f"q{n}") for n in range(200)))
    compiled = in_time(lambda: compile_form(resource))
    filled = response(answered("a", 1, key="valueDecimal"), *(answered(f"q{n}", "x") for n in range(200)))
    issues = in_time(lambda: check(compiled, filled, strict=True))
    assert {issue.code for issue in issues} <= {"expression-failed", "expression-limit", "calculated"}
    assert len(issues) == 1


def test_variables_that_double_each_other_end():
    doubling = [expression("%v0.combine(%v0)", CORE + "variable", name="v1")]
    doubling += [expression(f"%v{n}.combine(%v{n})", CORE + "variable", name=f"v{n + 1}") for n in range(1, 30)]
    first = expression("1 | 2 | 3", CORE + "variable", name="v0")
    resource = form({**item("a", "decimal"), "extension": [expression("%v30.count()")]}, extension=[first, *doubling])
    issues = in_time(lambda: check(compile_form(resource), response(answered("a", 1, key="valueDecimal")), strict=True))
    assert [issue.code for issue in issues] == ["expression-limit"]


def test_the_account_of_steps_is_one_for_the_whole_check():
    costly = "%resource.descendants().select(%resource.descendants()).count()"
    resource = form(*({**item(str(n), "decimal"), "extension": [expression(costly)]} for n in range(300)))
    filled = response(*(answered(str(n), 1, key="valueDecimal") for n in range(300)))
    issues = in_time(lambda: check(compile_form(resource), filled, strict=True))
    assert [issue.code for issue in issues] == ["expression-limit"]


def test_a_response_of_countless_rows_gets_one_clear_issue():
    compiled = compile_form(form(item("g", "group", item("a"), repeats=True)))
    rows = [{"linkId": "g", "item": [answered("a", "x")]}] * 60_000
    issues = in_time(lambda: check(compiled, response(*rows), strict=True))
    assert [issue.code for issue in issues] == ["limit"]


def test_conditions_of_countless_rows_on_countless_rows_get_one_clear_issue():
    rows = item("g", "group", item("a"), repeats=True)
    waiting = [item(str(n), enableWhen=[when("a", answerString=f"none {n}")]) for n in range(2_000)]
    compiled = compile_form(form(rows, *waiting))
    filled = response(*[{"linkId": "g", "item": [answered("a", "x")]}] * 2_000)
    issues = in_time(lambda: check(compiled, filled, strict=True))
    assert [issue.code for issue in issues] == ["limit"]


def test_faults_and_issues_are_no_more_than_anyone_could_read():
    with pytest.raises(FormRefused) as caught:
        compile_form(form(*(item("same") for _ in range(5_000))))
    assert len(caught.value.faults) == 100
    compiled = compile_form(form(item("a", repeats=True)))
    assert len(check(compiled, response(*({"linkId": f"no {n}"} for n in range(5_000))), strict=True)) == 200


KEYS = st.sampled_from(
    [
        "linkId",
        "item",
        "answer",
        "text",
        "valueString",
        "valueCoding",
        "valueDate",
        "valueQuantity",
        "system",
        "code",
        "value",
        "extension",
        "_text",
        "status",
        "resourceType",
        "type",
        "url",
        "valueInteger",
        "valueAttachment",
        "data",
        "size",
    ]
)
WORDS = st.sampled_from(["a", "b", "g", "", "2026-02-30", "group", "string", "choice", "quantity", "\x00", "http://x y"])
JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=40,
)
EVERY_TYPE = compile_form(
    form(
        item("a", "choice", answerOption=[{"valueCoding": {"system": "http://x", "code": "a"}}, {"valueString": "b"}]),
        item("b", "quantity", **extended(CORE + "questionnaire-unitOption", valueCoding={"code": "a"})),
        item(
            "g",
            "group",
            *(item(f"g.{kind}", kind) for kind in ("string", "date", "attachment", "reference", "url")),
            repeats=True,
        ),
    )
)
FUZZ = settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])


def items_of(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    link_ids = st.sampled_from(["a", "b", "g", "g.string", "g.date", "g.attachment", "g.reference", "g.url", "?"])
    answers = st.lists(st.dictionaries(KEYS, JSON, max_size=3), max_size=3)
    return st.lists(st.fixed_dictionaries({"linkId": link_ids}, optional={"answer": answers, "item": inner}), max_size=4)


@FUZZ
@given(st.dictionaries(KEYS, JSON) | (JSON | st.recursive(JSON, items_of, max_leaves=10)).map(lambda one: {"item": one}))
def test_no_response_makes_the_check_fail(sent: dict[str, Any]):
    assert check(EVERY_TYPE, sent, strict=True)


ITEM = st.fixed_dictionaries(
    {"linkId": st.sampled_from(["a", "b", "c", "d"]), "type": st.sampled_from(["group", "string", "quantity", "choice", "?"])},
    optional={
        "enableWhen": JSON,
        "extension": st.lists(
            st.fixed_dictionaries(
                {
                    "url": st.sampled_from(
                        [
                            CORE + "regex",
                            CORE + "minValue",
                            CORE + "maxSize",
                            CORE + "variable",
                            SDC + "minQuantity",
                            CORE + "questionnaire-unitOption",
                            CORE + "questionnaire-constraint",
                        ]
                    )
                },
                optional={
                    "valueString": WORDS,
                    "valueQuantity": JSON,
                    "valueCoding": JSON,
                    "valueExpression": JSON,
                    "extension": JSON,
                },
            )
        ),
        "answerOption": JSON,
        "initial": JSON,
        "maxLength": JSON,
        "required": JSON,
        "answerValueSet": JSON,
        "text": JSON,
        "item": JSON,
    },
)


@FUZZ
@given(
    st.dictionaries(st.sampled_from(["item", "contained", "extension", "effectivePeriod"]), JSON) | st.builds(form, ITEM, ITEM)
)
def test_no_form_makes_compiling_fail(sent: dict[str, Any]):
    try:
        compiled = compile_form(sent)
    except FormRefused as refused:
        assert refused.faults  # noqa: PT017 - being refused is as good as being compiled
    else:
        check(compiled, response(answered("a", "x"), answered("b", {"value": 1}, key="valueQuantity")), strict=False)


def test_copies_of_a_large_part_are_not_taken_apart_all_at_once():
    many = "%resource" + ".combine(%resource)" * 200
    resource = form({**item("a", "decimal"), "extension": [expression(f"({many}).item.answer.count()")]}, item("b", repeats=True))
    filled = response(answered("a", 1, key="valueDecimal"), *(answered("b", "x") for _ in range(5_000)))
    issues = in_time(lambda: check(compile_form(resource), filled, strict=True))
    assert [issue.code for issue in issues] == ["expression-limit"]


def test_contained_value_sets_are_enumerated_on_one_account():
    whole: dict[str, Any] = {"resourceType": "ValueSet", "compose": {"include": [{"system": "http://hl7.org/fhir/item-type"}]}}
    contained = [{**whole, "id": f"v{number}"} for number in range(5_000)]
    compiled = in_time(lambda: compile_form(form(item("a"), contained=contained)))
    assert sum(len(codes) for one in compiled.contained.values() for codes in one.codes.values()) <= 20_000


@pytest.mark.parametrize("operator", [None, [], {}, 1, "like"])
def test_an_operator_that_is_none_is_refused(operator: Any):
    assert refusal(form(item("b"), item("a", enableWhen=[{"question": "b", "operator": operator, "answerString": "x"}]))) == {
        "structure"
    }
