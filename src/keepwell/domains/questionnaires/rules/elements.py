"""The R4 elements that stored resources are made of, as a table: what each may hold, how often, of which type.

Source: HL7 FHIR R4 (4.0.1), the structure definitions of the resources and of the data types that they and extensions reach. The
items of a QuestionnaireResponse are left out: what they may hold, their form says.

A line reads `name:type` and a mark: none for at most one, `!` for exactly one, `*` for any number, `+` for one or more.
`value[x]:A|B` is a choice of types, spelt `valueA` or `valueB` in JSON; `code(a,b)` is bound to these codes.
"""

import msgspec

from keepwell.domains.questionnaires.rules.primitives import PRIMITIVES

_ELEMENT = "id:string extension:Extension*"
_BACKBONE = _ELEMENT + " modifierExtension:Extension*"
_RESOURCE = (
    "id:id meta:Meta implicitRules:uri language:code text:Narrative contained:Resource*"
    " extension:Extension* modifierExtension:Extension*"
)
_QUANTITY = _ELEMENT + " value:decimal comparator:code(<,<=,>=,>) unit:string system:uri code:code"

_TABLE: dict[str, str] = {
    "Element": _ELEMENT,
    "Questionnaire": _RESOURCE
    + " url:uri identifier:Identifier* version:string name:string title:string derivedFrom:canonical*"
    + " status:code(draft,active,retired,unknown)! experimental:boolean subjectType:code* date:dateTime publisher:string"
    + " contact:ContactDetail* description:markdown useContext:UsageContext* jurisdiction:CodeableConcept* purpose:markdown"
    + " copyright:markdown approvalDate:date lastReviewDate:date effectivePeriod:Period code:Coding*"
    + " item:Questionnaire.item*",
    "Questionnaire.item": _BACKBONE
    + " linkId:string! definition:uri code:Coding* prefix:string text:string type:code(group,display,question,boolean"
    + ",decimal,integer,date,dateTime,time,string,text,url,choice,open-choice,attachment,reference,quantity)!"
    + " enableWhen:Questionnaire.item.enableWhen* enableBehavior:code(all,any) required:boolean repeats:boolean"
    + " readOnly:boolean maxLength:integer answerValueSet:canonical answerOption:Questionnaire.item.answerOption*"
    + " initial:Questionnaire.item.initial* item:Questionnaire.item*",
    "Questionnaire.item.enableWhen": _BACKBONE
    + " question:string! operator:code(exists,=,!=,>,<,>=,<=)! answer[x]:boolean|decimal|integer|date|dateTime|time|string"
    + "|Coding|Quantity|Reference!",
    "Questionnaire.item.answerOption": _BACKBONE + " value[x]:integer|date|time|string|Coding|Reference! initialSelected:boolean",
    "Questionnaire.item.initial": _BACKBONE
    + " value[x]:boolean|decimal|integer|date|dateTime|time|string|uri|Attachment|Coding|Quantity|Reference!",
    "QuestionnaireResponse": _RESOURCE
    + " identifier:Identifier basedOn:Reference* partOf:Reference* questionnaire:canonical"
    + " status:code(in-progress,completed,amended,entered-in-error,stopped)! subject:Reference encounter:Reference"
    + " authored:dateTime author:Reference source:Reference",
    "Patient": _RESOURCE
    + " identifier:Identifier* active:boolean name:HumanName* telecom:ContactPoint* gender:code(male,female,other,unknown)"
    + " birthDate:date deceased[x]:boolean|dateTime address:Address* maritalStatus:CodeableConcept"
    + " multipleBirth[x]:boolean|integer photo:Attachment* contact:Patient.contact* communication:Patient.communication*"
    + " generalPractitioner:Reference* managingOrganization:Reference link:Patient.link*",
    "Patient.contact": _BACKBONE
    + " relationship:CodeableConcept* name:HumanName telecom:ContactPoint* address:Address"
    + " gender:code(male,female,other,unknown) organization:Reference period:Period",
    "Patient.communication": _BACKBONE + " language:CodeableConcept! preferred:boolean",
    "Patient.link": _BACKBONE + " other:Reference! type:code(replaced-by,replaces,refer,seealso)!",
    "Address": _ELEMENT
    + " use:code(home,work,temp,old,billing) type:code(postal,physical,both) text:string line:string* city:string"
    + " district:string state:string postalCode:string country:string period:Period",
    "Age": _QUANTITY,
    "Annotation": _ELEMENT + " author[x]:Reference|string time:dateTime text:markdown!",
    "Attachment": _ELEMENT
    + " contentType:code language:code data:base64Binary url:url size:unsignedInt hash:base64Binary title:string"
    + " creation:dateTime",
    "CodeableConcept": _ELEMENT + " coding:Coding* text:string",
    "Coding": _ELEMENT + " system:uri version:string code:code display:string userSelected:boolean",
    "ContactDetail": _ELEMENT + " name:string telecom:ContactPoint*",
    "ContactPoint": _ELEMENT
    + " system:code(phone,fax,email,pager,url,sms,other) value:string use:code(home,work,temp,old,mobile) rank:positiveInt"
    + " period:Period",
    "Contributor": _ELEMENT + " type:code(author,editor,reviewer,endorser)! name:string! contact:ContactDetail*",
    "Count": _QUANTITY,
    "DataRequirement": _ELEMENT
    + " type:code! profile:canonical* subject[x]:CodeableConcept|Reference mustSupport:string*"
    + " codeFilter:DataRequirement.codeFilter* dateFilter:DataRequirement.dateFilter* limit:positiveInt"
    + " sort:DataRequirement.sort*",
    "DataRequirement.codeFilter": _ELEMENT + " path:string searchParam:string valueSet:canonical code:Coding*",
    "DataRequirement.dateFilter": _ELEMENT + " path:string searchParam:string value[x]:dateTime|Period|Duration",
    "DataRequirement.sort": _ELEMENT + " path:string! direction:code(ascending,descending)!",
    "Distance": _QUANTITY,
    "Dosage": _BACKBONE
    + " sequence:integer text:string additionalInstruction:CodeableConcept* patientInstruction:string timing:Timing"
    + " asNeeded[x]:boolean|CodeableConcept site:CodeableConcept route:CodeableConcept method:CodeableConcept"
    + " doseAndRate:Dosage.doseAndRate* maxDosePerPeriod:Ratio maxDosePerAdministration:Quantity"
    + " maxDosePerLifetime:Quantity",
    "Dosage.doseAndRate": _ELEMENT + " type:CodeableConcept dose[x]:Range|Quantity rate[x]:Ratio|Range|Quantity",
    "Duration": _QUANTITY,
    "Expression": _ELEMENT + " description:string name:id language:code! expression:string reference:uri",
    "Extension": _ELEMENT
    + " url:uri! value[x]:base64Binary|boolean|canonical|code|date|dateTime|decimal|id|instant|integer|markdown|oid"
    + "|positiveInt|string|time|unsignedInt|uri|url|uuid|Address|Age|Annotation|Attachment|CodeableConcept|Coding"
    + "|ContactPoint|Count|Distance|Duration|HumanName|Identifier|Money|Period|Quantity|Range|Ratio|Reference|SampledData"
    + "|Signature|Timing|ContactDetail|Contributor|DataRequirement|Expression|ParameterDefinition|RelatedArtifact"
    + "|TriggerDefinition|UsageContext|Dosage|Meta",
    "HumanName": _ELEMENT
    + " use:code(usual,official,temp,nickname,anonymous,old,maiden) text:string family:string given:string* prefix:string*"
    + " suffix:string* period:Period",
    "Identifier": _ELEMENT
    + " use:code(usual,official,temp,secondary,old) type:CodeableConcept system:uri value:string period:Period"
    + " assigner:Reference",
    "Meta": _ELEMENT + " versionId:id lastUpdated:instant source:uri profile:canonical* security:Coding* tag:Coding*",
    "Money": _ELEMENT + " value:decimal currency:code",
    "Narrative": _ELEMENT + " status:code(generated,extensions,additional,empty)! div:xhtml!",
    "ParameterDefinition": _ELEMENT
    + " name:code use:code(in,out)! min:integer max:string documentation:string type:code! profile:canonical",
    "Period": _ELEMENT + " start:dateTime end:dateTime",
    "Quantity": _QUANTITY,
    "Range": _ELEMENT + " low:Quantity high:Quantity",
    "Ratio": _ELEMENT + " numerator:Quantity denominator:Quantity",
    "Reference": _ELEMENT + " reference:string type:uri identifier:Identifier display:string",
    "RelatedArtifact": _ELEMENT
    + " type:code(documentation,justification,citation,predecessor,successor,derived-from,depends-on,composed-of)!"
    + " label:string display:string citation:markdown url:url document:Attachment resource:canonical",
    "SampledData": _ELEMENT
    + " origin:Quantity! period:decimal! factor:decimal lowerLimit:decimal upperLimit:decimal dimensions:positiveInt!"
    + " data:string",
    "Signature": _ELEMENT
    + " type:Coding+ when:instant! who:Reference! onBehalfOf:Reference targetFormat:code sigFormat:code data:base64Binary",
    "Timing": _BACKBONE + " event:dateTime* repeat:Timing.repeat code:CodeableConcept",
    "Timing.repeat": _ELEMENT
    + " bounds[x]:Duration|Range|Period count:positiveInt countMax:positiveInt duration:decimal durationMax:decimal"
    + " durationUnit:code(s,min,h,d,wk,mo,a) frequency:positiveInt frequencyMax:positiveInt period:decimal"
    + " periodMax:decimal periodUnit:code(s,min,h,d,wk,mo,a) dayOfWeek:code(mon,tue,wed,thu,fri,sat,sun)* timeOfDay:time*"
    + " when:code(MORN,MORN.early,MORN.late,NOON,AFT,AFT.early,AFT.late,EVE,EVE.early,EVE.late,NIGHT,PHS,HS,WAKE,C,CM,CD,CV"
    + ",AC,ACM,ACD,ACV,PC,PCM,PCD,PCV)* offset:unsignedInt",
    "TriggerDefinition": _ELEMENT
    + " type:code(named-event,periodic,data-changed,data-added,data-modified,data-removed,data-accessed,data-access-ended)!"
    + " name:string timing[x]:Timing|Reference|date|dateTime data:DataRequirement* condition:Expression",
    "UsageContext": _ELEMENT + " code:Coding! value[x]:CodeableConcept|Quantity|Range|Reference!",
}


class Property(msgspec.Struct, frozen=True):
    """One JSON property of an element. `choice` names the `value[x]` it is one spelling of."""

    name: str
    type: str
    many: bool = False
    codes: frozenset[str] | None = None
    choice: str | None = None

    @property
    def primitive(self) -> bool:
        return self.type in PRIMITIVES


class Shape(msgspec.Struct, frozen=True):
    """What an element may hold, by JSON property, and what it must: each of `required` is met by any one of its spellings."""

    properties: dict[str, Property]
    required: dict[str, tuple[str, ...]]


def _shape(line: str) -> Shape:
    properties: dict[str, Property] = {}
    required: dict[str, tuple[str, ...]] = {}
    for field in line.split(" "):
        name, kinds = field.split(":", 1)
        mark = kinds[-1] if kinds[-1] in "!*+" else ""
        kinds = kinds.removesuffix(mark)
        spellings: dict[str, Property] = {}
        if name.endswith("[x]"):
            base = name.removesuffix("[x]")
            for kind in kinds.split("|"):
                spelling = base + kind[0].upper() + kind[1:]
                spellings[spelling] = Property(spelling, kind, choice=name)
        else:
            kind, _, codes = kinds.partition("(")
            bound = frozenset(codes.removesuffix(")").split(",")) if codes else None
            spellings[name] = Property(name, kind, many=mark in ("*", "+"), codes=bound)
        properties |= spellings
        if mark in ("!", "+"):
            required[name] = tuple(spellings)
    return Shape(properties, required)


SHAPES: dict[str, Shape] = {name: _shape(line) for name, line in _TABLE.items()}
