"""The fake lease offers nothing that a real one has not."""

from types import SimpleNamespace

from fake_load import FakeLease, load_spec

from chaos_go.agent.lease import Lease

OWN = {"callbacks", "emit", "end", "fails_to_stop", "stops"}  # how tests steer it


def public(thing):
    return {name for name in dir(thing) if not name.startswith("_")}


def test_the_fake_is_a_part_of_the_real_lease():
    fake = FakeLease(load_spec())
    real = Lease(load_spec(), SimpleNamespace(place="load/checkout", exit_code=None))
    assert public(fake) - OWN <= public(real)
    assert set(fake.record()) <= set(real.record())
