"""Forbidden targets in every spelling: each is a URL that no door may connect to."""

from collections.abc import Iterator
from ipaddress import IPv4Address

PUBLIC = "93.184.215.14"

INTERNAL = ["127.0.0.1", "10.1.2.3", "169.254.169.254", "192.168.0.1", "0.0.0.0"]
PROVIDERS = ["100.100.100.200", "168.63.129.16", "192.0.0.192", "172.31.255.254", "100.64.0.1"]

IPV6 = [
    "::", "::1", "0:0:0:0:0:0:0:1", "0000:0000:0000:0000:0000:0000:0000:0001", "::0.0.0.1",
    "fd00:ec2::254", "FD00:EC2::254", "fd20:ce::254", "fd00:42::42", "fc00::1", "fdff::1",
    "fe80::1", "febf::1", "fec0::1", "feff::1", "ff02::1", "ff0e::1", "100::1", "100:0:0:1::1",
    "2001::1", "2001:2::1", "2001:3::1", "2001:4:112::1", "2001:10::1", "2001:20::1",
    "2001:30::1", "2001:1ff::1", "2001:db8::1", "2001:0DB8:0:0::1", "2002::1",
    "2620:4f:8000::1", "3ffe::1", "3fff::1", "3fff:fff::1", "4000::1", "5f00::1", "6000::1",
    "8000::1", "a000::1", "c000::1", "e000::1", "200::1", "400::1", "1000::1",
]  # fmt: skip

NAMES = [
    "localhost", "LOCALHOST", "LocalHost", "app.localhost", "a.b.localhost",
    "localhost.localdomain", "localhost4", "localhost6", "ip6-localhost", "ip6-loopback",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ", "ｌｏｃａｌｈｏｓｔ",
    "loca\u00adlhost", "metadata", "metadata.google.internal", "METADATA.google.internal",
    "metadata。google。internal", "metadata.goog", "metadata.azure.internal",
    "metadata.tencentyun.com", "instance-data", "instance-data.ec2.internal", "localhost.",
    "metadata.google.internal.", "localhost..", "local%68ost", "%6c%6f%63%61%6c%68%6f%73%74",
    "localhost%00.example.com", "localhost\x00.example.com", "localhost%2eexample.com",
]  # fmt: skip

MALFORMED = [
    "", "https://", "https:///etc/passwd", "https:/127.0.0.1", "https:127.0.0.1", "//127.0.0.1/",
    "///127.0.0.1", "127.0.0.1", "localhost:8000", "http://public.test/", "ftp://public.test/",
    "file:///etc/passwd", "gopher://public.test/", "dict://public.test/", "ldap://public.test/",
    "data:text/plain,x", "javascript:alert(1)", "unix:///run/db.sock", "jar:https://public.test/",
    "netdoc:///etc/passwd", "http+unix://%2Frun%2Fdb.sock/", "view-source:https://public.test/",
    "url:https://public.test/", "httpſ://public.test/", "https ://public.test/",
    " https://public.test/", "https://public.test/ ", "https://public.test/a b",
    "https://public.test/\t", "https://public.test/\n", "https://public.test/\r\nHost: x",
    "ht\ntps://public.test/", "https://pub\nlic.test/", "https://public.test/\x7f",
    "https://public.test/\u2028", "https://public.test\u200b/", "https://public.test\ufeff/",
    "https://\u202epublic.test/", "https://public.test:22/", "https://public.test:6379/",
    "https://public.test:80/", "https://public.test:8443/", "https://public.test:0/",
    "https://public.test:65536/", "https://public.test:99999/", "https://public.test:-1/",
    "https://public.test:+443/", "https://public.test:0443/", "https://public.test:443x/",
    "https://public.test:４４３/", "https://public.test:/", "https://public.test:443:443/",
    "https://public.test::443/", "https://:443/", "https://.test/", "https://public..test/",
    "https://public.test./", "https://-public.test/", "https://public-.test/",
    "https://public.test,10.0.0.1/", "https://public.test;10.0.0.1/", "https://pub!lic.test/",
    "https://pub$lic.test/", "https://pub*lic.test/", "https://*.test/", "https://pub'lic.test/",
    'https://pub"lic.test/', "https://<public.test>/", "https://{public}.test/",
    "https://public|test/", "https://public^test/", "https://public`test/",
    "https://" + "a" * 64 + ".test/", "https://" + "a." * 130 + "test/",
    "https://xn--a/", "https://xn--.test/", "https://xn--0.test/", "https://xn--public-.test/",
    "https://xn--\u00fc.test/", "https://\u2100.test/", "https://public\uff0ftest/",
    "https://public\uff1a443/", "https://user\uff20public.test/", "https://\U0001f4a9.test/",
    "https://a\u0338.test/", "https://\u0301a.test/", "https://public\u2024test\u2488/",
    "https://public.test\ud800/", "https://[public.test]/", "https://[]/", "https://[/",
    "https://]/", "https://[::1/", "https://::1/", "https://::1]/", "https://[::1]x/",
    "https://[::1]:/", "https://[[::1]]/", "https://[::1]@public.test/", "https://[v1.fe80::1]/",
    "https://[::1%25lo]/", "https://[::1%lo]/", "https://[fe80::1%25eth0]/", "https://[fe80::1%1]/",
    "https://[2606:4700::1111%25eth0]/", "https://[1::2::3]/", "https://[12345::]/",
    "https://[127.0.0.1]/", "https://[0x7f.1]/", "https://[::ffff:127.1]/", "https://[::ffff:0x7f000001]/",
    "https://1.1.1/", "https://1.1/", "https://1/", "https://16843009/", "https://0x1010101/",
    "https://01.01.01.01/", "https://1.1.1.1./", "https://1.1.1.1.1/", "https://1.1.1.256/",
    "https://1.1.1.0x1/", "https://a.1/", "https://public.test.1/", "https://public.0x1/",
    "https://0x/", "https://public.0x/", "https://1.1.1.１/", "https://1.1.1。1/",
]  # fmt: skip


def targets() -> Iterator[str]:
    """Every forbidden URL, each once."""
    urls = [f"https://{host}/" for host in hosts()]
    for address in INTERNAL:
        urls += _as_url(address)
    yield from dict.fromkeys(urls + MALFORMED)


def hosts() -> Iterator[str]:
    """Every forbidden host, each once."""
    spellings = [*NAMES, *IPV6, *(f"[{address}]" for address in IPV6)]
    for address in map(IPv4Address, INTERNAL + PROVIDERS):
        spellings += [*_as_ipv4(address), *_as_ipv6(address)]
    yield from dict.fromkeys(spellings)


def _as_ipv4(address: IPv4Address) -> Iterator[str]:
    number, text = int(address), str(address)
    a, b, c, d = address.packed
    yield from (text, f"{text}.", f"{text}..", f".{text}", text.replace(".", ".."))
    yield from (f"{number}", f"{number}.", f"0{number:o}", f"000{number:o}", f"0o{number:o}")
    yield from (f"{number:#x}", f"{number:#X}", f"0x00{number:08x}", f"{number + 2**32}")
    yield from (f"{a:#x}.{b:#x}.{c:#x}.{d:#x}", f"0{a:o}.0{b:o}.0{c:o}.0{d:o}")
    yield from (f"{a:03}.{b:03}.{c:03}.{d:03}", f"{a}.{b:#x}.0{c:o}.{d:04}")
    yield from (
        f"{a}.{b}.{c * 256 + d}",
        f"{a}.{number & 0xFFFFFF}",
        f"{a:#x}.{number & 0xFFFFFF:#x}",
    )
    yield from (f"{a + 256}.{b}.{c}.{d}", f"{text}.0", f"0.{text}", f"{text}%20")
    yield from (text.replace(".", dot) for dot in "。．｡․‧·")
    yield from (_digits(text, start) for start in (0xFF10, 0x1D7CE, 0x1D7D8, 0x0660, 0x06F0))
    yield "".join("⓪①②③④⑤⑥⑦⑧⑨"[int(each)] if each.isdigit() else each for each in text)
    yield "".join("⁰¹²³⁴⁵⁶⁷⁸⁹"[int(each)] if each.isdigit() else each for each in text)
    yield from (text.replace(".", "%2e"), "".join(f"%{ord(each):02x}" for each in text))
    yield from (f"{text}%00", f"{text}\x00", f"{text}\t", f"{text} ", f" {text}", f"{text}\u200b")


def _digits(text: str, start: int) -> str:
    return "".join(chr(start + int(each)) if each.isdigit() else each for each in text)


def _as_ipv6(address: IPv4Address) -> Iterator[str]:
    high, low = f"{int(address) >> 16:x}", f"{int(address) & 0xFFFF:x}"
    inverted = int(address) ^ 0xFFFFFFFF
    for prefix in ("::", "::ffff:", "::ffff:0:", "64:ff9b::", "64:ff9b:1::", "64:ff9b:1:fffe::"):
        yield from (
            f"[{prefix}{address}]",
            f"[{prefix}{high}:{low}]",
            f"[{prefix}{high}:{low}]".upper(),
        )
    yield f"[0:0:0:0:0:ffff:{high}:{low}]"
    yield f"[0000:0000:0000:0000:0000:ffff:{address}]"
    yield f"[0064:ff9b:0000:0000:0000:0000:{high}:{low}]"
    yield from (
        f"[2002:{high}:{low}::]",
        f"[2002:{high}:{low}:0:0:0:0:1]",
        f"[2002:{high}:{low}::{address}]",
    )
    yield f"[2001:0:4136:e378:8000:63bf:{inverted >> 16:x}:{inverted & 0xFFFF:x}]"
    yield f"[2001:0000:{high}:{low}::1]"
    yield from (f"[2606:4700::5efe:{address}]", f"[2606:4700::200:5efe:{high}:{low}]")


def _as_url(address: str) -> Iterator[str]:
    """One parser or another reads each of these as a URL of the address."""
    yield from (
        f"http://{address}/",
        f"HTTPS://{address}",
        f"https://{address}?",
        f"https://{address}#",
    )
    yield from (f"https://{address}:443/", f"https://{address}:80/", f"https://{address}:22/")
    yield from (f"https://public.test@{address}/", f"https://public.test:443@{address}/")
    yield from (
        f"https://{address}@public.test/",
        f"https://a:b@{address}/",
        f"https://@{address}/",
    )
    yield from (f"https://public.test%40{address}/", f"https://{address}%23@public.test/")
    yield from (f"https://{address}#@public.test/", f"https://{address}?@public.test/")
    yield from (f"https://public.test\\@{address}/", f"https://{address}\\@public.test/")
    yield from (
        f"https:\\\\{address}\\",
        f"https:/\\{address}/",
        f"https://{address}\\.public.test/",
    )
    yield from (
        f"https:{address}",
        f"https:///{address}/",
        f"https://\t{address}/",
        f"\thttps://{address}",
    )
    yield from (f"https://public.test,{address}/", f"https://public.test {address}/")
    yield from (f"https://{address}%2f@public.test/", f"https://{address}\r\n.public.test/")
    yield from (f"https://public.test&@{address}# @public.test/", f"https://{address};public.test/")
