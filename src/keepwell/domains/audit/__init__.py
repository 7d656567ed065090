"""Who did and saw what in a clinic: the journal and the access records, read as one list. No payloads."""

from keepwell.domains.audit.models import AuditedEntity, AuditFilter, AuditItem, AuditPage
from keepwell.domains.audit.models import Position as AuditPosition
from keepwell.domains.audit.service import RESOURCE, AuditService

__all__ = ["RESOURCE", "AuditFilter", "AuditItem", "AuditPage", "AuditPosition", "AuditService", "AuditedEntity"]
