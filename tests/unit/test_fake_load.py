"""The fake lease has only methods of the real one, so that code that uses it works in a run."""

from types import SimpleNamespace

from fake_load import FakeLease, load_spec

from chaos_go.agent.lease import Lease
from chaos_go.agent.place import LocalReach, Place

OWN = {"callbacks", "emit", "end", "fails_to_stop", "stops"}  # tests control it with these


def public(thing):
    return {name for name in dir(thing) if not name.startswith("_")}


def test_the_fake_is_a_part_of_the_real_lease():
    fake = FakeLease(load_spec())
    agent = SimpleNamespace(place="load/checkout", exit_code=None)
    real = Lease(load_spec(), Place("load/checkout", LocalReach()), agent)
    assert public(fake) - OWN <= public(real)
    assert set(fake.record()) <= set(real.record())
    for name in ("said", "advice", "effect"):
        assert getattr(fake, name) == getattr(real, name), name
