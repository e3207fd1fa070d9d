"""The smallest application of each framework that publishes. They are documentation, and the tests run them."""
