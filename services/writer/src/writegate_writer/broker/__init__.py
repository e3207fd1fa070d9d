"""The AMQP edge: consuming lanes and dead-letter queues, and acknowledging. On the hub thread. No SQL here.

In: frames from the broker, and work that other threads post. Out: deliveries to the scheduler, acknowledgements to the
broker. All changes to py-amqp and kombu are in :mod:`writegate_writer.broker.patches`.
"""
