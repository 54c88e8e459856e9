//! Messages through an MQTT broker, 5 and 3.1.1.
