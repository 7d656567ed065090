"""Pure helpers: time, ids, the languages of FHIR. Imports nothing of ours and does no input or output."""
