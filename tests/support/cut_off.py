"""Run in a network namespace of its own, which leads nowhere: what a prober says there, a line for each question.

`unshare --map-root-user --net python -m tests.support.cut_off`
"""

import asyncio
import sys

from keepwell.platform.probing import DnsProbe, HttpProbe, Prober, ProberSettings, TcpProbe, TlsProbe

ELSEWHERE = "198.51.100.7"
"""Of a network for documentation (RFC 5737)."""
PROBES = (
    HttpProbe(f"http://{ELSEWHERE}/", timeout_s=5),
    TcpProbe(ELSEWHERE, 443, timeout_s=5),
    TlsProbe(ELSEWHERE, timeout_s=5),
    DnsProbe("a.test", server=ELSEWHERE, timeout_s=5),
)


async def main() -> None:
    """Asks every kind, then whether our own network works."""
    prober = Prober(ProberSettings(canaries=(f"{ELSEWHERE}:443", f"{ELSEWHERE}:53")))
    await prober.open()
    said = [str((await prober.probe(probe, private=True)).error) for probe in PROBES]
    said.append(str(await prober.egress()))
    await prober.close()
    sys.stdout.write("\n".join(said))


if __name__ == "__main__":
    asyncio.run(main())
