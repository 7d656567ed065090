"""What FHIR's words mean in the words of the other rooms, and back. Pure."""
