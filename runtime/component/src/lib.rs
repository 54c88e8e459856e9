//! Wasm components: the engine, its limits, and the host side of every interface served.
