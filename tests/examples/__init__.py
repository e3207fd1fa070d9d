"""The smallest application of each framework that publishes. Documentation that the tests run."""
