"""The languages FHIR borrows: FHIRPath, UCUM units, partial dates, patterns; all bounded in time and memory. Pure."""
