"""Bodies piece by piece, under limits."""

import asyncio
import gzip
import tracemalloc
import zlib

import pytest

from connhub.usage.bodies import Inflater, Upload
from connhub.usage.problems import (
    AnswerTooLarge,
    RequestIncomplete,
    RequestTooLarge,
    UpstreamMalformed,
)

TEXT = b"The quick brown fox. " * 5000


def inflated(*pieces):
    inflater = Inflater()
    body = b"".join(out for piece in pieces for out in inflater.feed(piece))
    inflater.finish()
    return body


@pytest.mark.parametrize("compress", [gzip.compress, zlib.compress])
def test_gzip_and_deflate_are_undone_however_they_are_cut(compress):
    body = compress(TEXT)

    assert inflated(body) == TEXT
    assert inflated(body[:7], body[7:300], body[300:]) == TEXT
    assert inflated(*[bytes([byte]) for byte in body]) == TEXT


def test_gzip_of_several_members_is_undone():
    assert inflated(gzip.compress(b"one ") + gzip.compress(b"two")) == b"one two"


@pytest.mark.parametrize("body", [b"plain text", gzip.compress(TEXT)[:-9], b"\x1f\x8b"])
def test_what_is_not_whole_gzip_is_refused(body):
    with pytest.raises(UpstreamMalformed):
        inflated(body)


def test_bomb_is_refused_before_it_fills_memory():
    bomb = gzip.compress(bytes(200 * 2**20))
    tracemalloc.start()

    with pytest.raises(AnswerTooLarge):
        for _ in Inflater().feed(bomb):
            pass

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def receiving(*messages):
    waiting = list(messages)

    async def receive():
        return waiting.pop(0)

    return receive


def piece(body, more=True):
    return {"type": "http.request", "body": body, "more_body": more}


async def collect(upload):
    return [each async for each in upload]


def test_upload_gives_what_was_put_back_first():
    async def read():
        upload = Upload(receiving(piece(b"one"), piece(b"two"), piece(b"", more=False)), 100)
        upload.put_back(await upload.read())
        return await collect(upload), upload.size, upload.complete

    assert asyncio.run(read()) == ([b"one", b"two", b""], 6, True)


@pytest.mark.parametrize(
    ("messages", "failure"),
    [
        ([piece(b"x" * 60), piece(b"x" * 60)], RequestTooLarge),
        ([piece(b"x"), {"type": "http.disconnect"}], RequestIncomplete),
    ],
)
def test_upload_remembers_why_it_failed(messages, failure):
    upload = Upload(receiving(*messages), 100)

    with pytest.raises(failure):
        asyncio.run(collect(upload))

    assert isinstance(upload.failure, failure)
