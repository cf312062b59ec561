"""No secret leaves the engine in a text, and no ordinary text is spoiled."""

import json
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ggg_cloud_addon.cloud_storage import redaction
from ggg_cloud_addon.cloud_storage.redaction import HIDDEN, keep_secret, redact

SECRET = "wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY"
KEY64 = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@pytest.fixture(autouse=True)
def _no_secret_stays() -> Iterator[None]:
    before = set(redaction._secrets)
    yield
    redaction._secrets.clear()
    redaction._secrets.update(before)


@pytest.mark.parametrize(
    "text",
    [
        f"https://studio.s3.amazonaws.com/arm.blend?X-Amz-Date=20261122T000000Z&X-Amz-Signature={SECRET}",
        f"https://studio.s3.amazonaws.com/arm.blend?X-Amz-Credential={SECRET}%2F20261122&X-Amz-Expires=60",
        f"https://studio.s3.amazonaws.com/arm.blend?x-amz-security-token={SECRET}&x=1",
        f"https://studio.s3.amazonaws.com/arm.blend?AWSAccessKeyId={SECRET}&Signature={SECRET}&Expires=1",
        f"https://studio.blob.core.windows.net/c/arm.blend?sv=2026-01-01&sp=r&sig={SECRET}",
        f"DefaultEndpointsProtocol=https;AccountName=studio;AccountKey={SECRET};EndpointSuffix=core.windows.net",
        f"BlobEndpoint=https://studio.blob.core.windows.net;SharedAccessSignature=sv=2026&sig={SECRET}",
        f"BlobEndpoint=https://studio.blob.core.windows.net;SharedAccessSignature=sig={SECRET}&sv=2026",
        f'{{"aws_access_key_id": "AKIA", "aws_secret_access_key": "{SECRET}"}}',
        f"{{'account_key': '{SECRET}'}}",
        f"aws_secret_access_key = {SECRET}",
        f"aws_session_token={SECRET}",
        f"Authorization: SharedKey studio:{SECRET}",
        f"'X-Amz-Security-Token': '{SECRET}'",
        f"Authorization: AWS4-HMAC-SHA256 Credential=AKIA/20261122, SignedHeaders=host, Signature={SECRET}",
        f"http://studio:{SECRET}@proxy.example.com:3128/",
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str) -> None:
    assert SECRET not in redact(text)
    assert HIDDEN in redact(text)
    assert redact(redact(text)) == redact(text)


@pytest.mark.parametrize("secret", [SECRET, KEY64, "ä" * 8])
def test_a_known_secret_is_taken_out_wherever_it_stands(secret: str) -> None:
    keep_secret(secret, None, "")
    assert redact(f"a {secret}b {secret}") == f"a {HIDDEN}b {HIDDEN}"


def test_a_secret_that_holds_another_is_taken_out_whole() -> None:
    keep_secret(SECRET[:12], SECRET)
    assert redact(SECRET) == HIDDEN


def test_a_word_that_is_too_short_for_a_secret_stays() -> None:
    keep_secret("model", "1234567")
    assert redact("The model 1234567 was pushed.") == "The model 1234567 was pushed."


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:9000 cannot be reached; check the network and the endpoint's address.",
        "http://127.0.0.1:9000/bucket/arm.blend?list-type=2&prefix=models",
        "https://s3.example.com:9000/a?b=c",
        'Pushed "robot/arm@2.blend" to https://s3.example.com.',
        "12:30:00 INFO design=new; the signature of the artist",
        "C:\\models\\arm.blend, SharedKey",
        "",
    ],
)
def test_an_ordinary_text_stays_as_it_is(text: str) -> None:
    assert redact(text) == text


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=redaction.SHORTEST), st.text(), st.text())
def test_no_known_secret_is_ever_left(secret: str, before: str, after: str) -> None:
    keep_secret(secret)
    try:
        left = redact(before + secret + after)
        assert secret not in left.replace(HIDDEN, "")
    finally:
        redaction._secrets.discard(secret)


def test_a_known_secret_is_taken_out_of_json_and_urls_too() -> None:
    """As it is written there: quoted."""
    from urllib.parse import quote

    secret = 'with"quotes/and+plus='
    keep_secret(secret)
    for text in (json.dumps({"key": secret}), quote(secret, safe=""), repr(secret)):
        assert redact(text) != text
