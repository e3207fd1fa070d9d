"""For the tests of services that publish: a broker in memory, to which the real publisher connects.

::

    def test_a_deposit_is_published(writegate_broker: MemoryBroker) -> None:
        deposit("a-1", 300)  # the service's own code, which calls writegate.publish
        writegate_broker.assert_published(DepositMade, key="a-1", times=1, cents=300)

The fixture belongs to the pytest plugin of this package. Only the connection is replaced: commands are validated,
encoded, packed, confirmed and refused by the code that runs in production, and the broker in memory passes the same
conformance tests as RabbitMQ. Where the writer is installed, ``writegate_writer.testing.drain`` applies what was
published. Each publisher has an I/O thread of its own, as in production.
"""

from writegate.testing.broker import MemoryBroker

__all__ = ["MemoryBroker"]
