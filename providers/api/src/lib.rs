//! What a provider is: the traits, their memory fakes and their conformance suites.
