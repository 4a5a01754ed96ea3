"""A digest says that a secret has changed, and not what it is."""

from kuberay.facts.digests import Seal, fingerprint, secret_digest


def test_a_digest_tells_secrets_apart_and_is_none_of_the_usual_hashes() -> None:
    assert secret_digest("a", "s") != secret_digest("b", "s")
    assert secret_digest("a", "s") != secret_digest("a", "t")


def guesses() -> dict[str, str]:
    """The fingerprint of a template with each four-digit secret."""
    return {
        fingerprint([], {"env": [{"name": "PIN", "value": f"{pin:04}"}]}): f"{pin:04}"
        for pin in range(10_000)
    }


def test_a_short_secret_falls_from_a_fingerprint_and_not_from_a_sealed_one() -> None:
    seen = fingerprint([], {"env": [{"name": "PIN", "value": "4711"}]})
    found = guesses()
    assert found[seen] == "4711"
    sealed = Seal("0123456789abcdef")(seen)
    assert sealed not in found
    assert sealed not in map(Seal("another key"), found)


def test_sealed_fingerprints_differ_as_those_do_that_they_are_of() -> None:
    seal = Seal("key")
    assert len({seal(plain) for plain in guesses()}) == 10_000
    assert seal("a") == Seal("key")("a") != Seal("other")("a")
    assert len(seal("a")) == len(fingerprint("a"))


def test_a_fingerprint_that_pods_carry_already_stays() -> None:
    seal = Seal("key", frozenset(["abc"]))
    assert seal("abc") == "abc"
    assert seal("abd") != "abd"
