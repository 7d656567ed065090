"""Run in a network namespace of its own, which leads nowhere: what a prober says there, a word for each question.

`unshare --map-root-user --net python -m tests.support.cut_off`
"""

import asyncio
import fcntl
import os
import socket
import struct
import subprocess
import sys

from keepwell.platform.probing import DnsProbe, HttpProbe, Prober, ProberSettings, TcpProbe, TlsProbe

APART = ("unshare", "--net") if os.geteuid() == 0 else ("unshare", "--map-root-user", "--net")
"""Put before a command runs it in a network namespace of its own, in which nothing is up. Root stays root, for others' files."""
ELSEWHERE = "198.51.100.7"
"""Of a network for documentation (RFC 5737)."""
_SET_FLAGS, _UP, _RUNNING = 0x8914, 0x1, 0x40  # SIOCSIFFLAGS
PROBES = (
    HttpProbe(f"http://{ELSEWHERE}/", timeout_s=5),
    TcpProbe(ELSEWHERE, 443, timeout_s=5),
    TlsProbe(ELSEWHERE, timeout_s=5),
    DnsProbe("a.test", server=ELSEWHERE, timeout_s=5),
)


def may_be_apart() -> bool:
    """Whether network namespaces are permitted here."""
    try:
        return subprocess.run([*APART, "true"], check=False, capture_output=True, timeout=60).returncode == 0
    except FileNotFoundError:
        return False


async def loopback(prober: Prober, *, up: bool) -> str:
    """What is said of a port of this machine that nobody listens on, while its loopback interface runs, or does not."""
    switch(up=up)
    return str((await prober.probe(TcpProbe("127.0.0.5", 9, timeout_s=1), private=True)).error)


def switch(*, up: bool) -> None:
    """Sets the loopback interface of this namespace up or down. Not by `ip`, which not every machine has."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        fcntl.ioctl(asking, _SET_FLAGS, struct.pack("16sH22x", b"lo", _UP | _RUNNING if up else 0))


async def main() -> None:
    """Asks every kind, then whether our own network works."""
    prober = Prober(ProberSettings(canaries=(f"{ELSEWHERE}:443", f"{ELSEWHERE}:53")))
    await prober.open()
    said = [str((await prober.probe(probe, private=True)).error) for probe in PROBES]
    said.append(str(await prober.egress()))
    said += [await loopback(prober, up=up) for up in (True, False)]
    await prober.close()
    sys.stdout.write("\n".join(said))


if __name__ == "__main__":
    asyncio.run(main())
