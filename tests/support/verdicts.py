"""The published pairs of form and response that lie beside the checkout, with what two independent engines said of them."""

import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from keepwell.domains.validation import standard_value_set

_FOLDER = Path(__file__).parents[3] / "shared" / "data" / "fhir-validation"


class Said(msgspec.Struct, frozen=True):
    """One issue an engine raised, and where, as FHIRPath."""

    severity: str
    code: str
    at: str
    text: str = ""


class Engine(msgspec.Struct, frozen=True, rename={"passes": "pass"}):
    """What one engine said of a case."""

    passes: bool
    issues: tuple[Said, ...] = ()

    @property
    def errors(self) -> list[Said]:
        return [said for said in self.issues if said.severity in ("error", "fatal")]


class Case(msgspec.Struct, frozen=True):
    """One response, the form it belongs to unless that is lost, and the verdicts, where there are any."""

    name: str
    response: str
    supporting: tuple[str, ...]
    description: str
    hl7_java: Engine | None = None
    forms_lab: Engine | None = None

    @property
    def agreed(self) -> bool | None:
        """The verdict of both engines; None where they differ or said nothing."""
        if self.hl7_java is None or self.forms_lab is None or self.hl7_java.passes != self.forms_lab.passes:
            return None
        return self.hl7_java.passes

    def form(self) -> dict[str, Any]:
        return _read(self.supporting[0])

    def answered(self) -> dict[str, Any]:
        return _read(self.response)


def _read(name: str) -> dict[str, Any]:
    return msgspec.json.decode((_FOLDER / name).read_bytes(), type=dict[str, Any])


def cases() -> list[Case]:
    """Every case; none where the folder is absent, which is allowed everywhere but in CI."""
    manifest = _FOLDER / "manifest.json"
    if not manifest.exists() and os.environ.get("CI") != "true":
        return []
    return msgspec.json.decode(manifest.read_bytes(), type=list[Case])


def standard_sets_or_skip() -> None:
    """Skips the test where the standard value sets were not packed, which is allowed everywhere but in CI."""
    if standard_value_set("http://hl7.org/fhir/ValueSet/item-type") is None and os.environ.get("CI") != "true":
        pytest.skip("the standard value sets were not packed: scripts/r4-value-sets/make")


def required_case(name: str) -> Case:
    """One case; skips the test where the folder is absent."""
    found = {case.name: case for case in cases()}
    if not found:
        pytest.skip(f"the published cases are not beside this checkout: {_FOLDER}")
    return found[name]
