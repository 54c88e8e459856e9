//! What a file is, from its first bytes, so that the commonest mistakes are named before a parser
//! stumbles over them.

use super::LoadFault;

/// The encoding of components: this version, in this layer.
const COMPONENT: (u16, u16) = (0x0d, 1);
const MODULE: (u16, u16) = (1, 0);

/// Lets what begins like a component pass.
pub(crate) fn check(bytes: &[u8]) -> Result<(), LoadFault> {
    if bytes.is_empty() {
        return Err(LoadFault::NotWasm("an empty file"));
    }
    if let [b'\0', b'a', b's', b'm', rest @ ..] = bytes {
        return match *rest {
            [v0, v1, l0, l1, ..] => {
                match (u16::from_le_bytes([v0, v1]), u16::from_le_bytes([l0, l1])) {
                    COMPONENT => Ok(()),
                    MODULE => Err(LoadFault::CoreModule),
                    (version, 1) => Err(LoadFault::Encoding { version }),
                    _ => Err(LoadFault::Invalid(
                        "its header has a version that is not known".to_owned(),
                    )),
                }
            }
            _ => Err(LoadFault::Invalid("it ends within its header".to_owned())),
        };
    }
    // wasmtime's own artifacts are ELF files too.
    if wasmtime::Engine::detect_precompiled(bytes).is_some() {
        return Err(LoadFault::Precompiled);
    }
    Err(LoadFault::NotWasm(kind(bytes)))
}

fn kind(bytes: &[u8]) -> &'static str {
    let text = bytes.trim_ascii_start();
    if text.starts_with(b"(component") || text.starts_with(b"(module") || text.starts_with(b";;") {
        "WebAssembly text; make a binary of it with `wasm-tools parse`"
    } else if text.starts_with(b"package ") {
        "a WIT file, which describes interfaces and holds no code"
    } else if bytes.starts_with(b"\x7fELF") {
        "a native program or library"
    } else if bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"\x1f\x8b") {
        "an archive; unpack it first"
    } else if std::str::from_utf8(bytes).is_ok_and(|text| !text.contains('\0')) {
        "a text"
    } else {
        "some other kind of file"
    }
}
