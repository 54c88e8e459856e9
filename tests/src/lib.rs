//! Black-box tests over a node's public face, and the harness they stand on.
