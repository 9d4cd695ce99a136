import hashlib

from stylegrow.common.held_out import public_facts, public_name


def test_an_embedded_image_keeps_its_name_and_a_file_has_the_digest_of_its_own():
    for name in ("toonhead-00003", "calorimeter-00003"):
        assert public_name(name) == name
    digests = [public_name(name) for name in ("cats/005.png", "toonhead-00003.png", "cats/006.png")]
    assert digests[0] == hashlib.blake2b(b"cats/005.png", digest_size=16).hexdigest()
    assert len(set(digests)) == 3
    assert [public_name(digest) for digest in digests] == digests


def test_names_that_are_no_text_have_a_digest_too():
    assert len(public_name("caf\udce9\n.png")) == 32


def test_facts_of_every_kind_stay_as_they_are():
    facts = {"kimg": 3.0, "held_out": ["cats/005.png", 3]}
    assert public_facts(facts) == {"kimg": 3.0, "held_out": [public_name("cats/005.png"), 3]}
    assert facts["held_out"] == ["cats/005.png", 3]
    assert public_facts({"held_out": "all"}) == {"held_out": "all"}
    assert public_facts({}) == {}
