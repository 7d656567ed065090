"""Asking others how they are: over HTTP, TCP, TLS and DNS, each in a bounded time, and only at addresses that are allowed."""

from keepwell.platform.probing.addresses import forbidden
from keepwell.platform.probing.engine import Prober, ProberSettings
from keepwell.platform.probing.models import DnsProbe, Fault, HttpProbe, Observation, Probe, RecordType, TcpProbe, TlsProbe

__all__ = [
    "DnsProbe",
    "Fault",
    "HttpProbe",
    "Observation",
    "Probe",
    "Prober",
    "ProberSettings",
    "RecordType",
    "TcpProbe",
    "TlsProbe",
    "forbidden",
]
