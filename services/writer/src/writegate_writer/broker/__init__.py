"""The AMQP edge of consuming: channels, deliveries, acknowledgements. On the hub thread. No SQL here.

In: frames, and work that other threads post. Out: deliveries to the scheduler, acknowledgements to the broker. What is
changed in py-amqp and kombu stands in one module.
"""
